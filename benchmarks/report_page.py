"""Report page in headless Chromium: console errors, visible plots, seconds until filters respond.

kospan analyze MODEL --data FILE --output report
python benchmarks/report_page.py report/index.html [--out docs/benchmarks/report_page.md] [--picture report.png]
"""

import argparse
import os
import shutil
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

# Actions of a reader of the list, and the events that the page receives.
ACTIONS = {
    "every class but one hidden": "at('kind').selectedIndex = 2; at('kind').dispatchEvent(new Event('change'))",
    "surest mistakes first": "at('order').value = 'sure'; at('order').dispatchEvent(new Event('change'))",
    "longest first": "at('order').value = 'length'; at('order').dispatchEvent(new Event('change'))",
    "a search": "at('search').value = '서울'; at('search').dispatchEvent(new Event('input'))",
    "everything again": "at('all').click()",
    "the next page": "at('after').click()",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--picture", type=Path, help="also a picture of the top of the page")
    arguments = parser.parse_args()
    program = os.environ.get("KOSPAN_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    said: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1180, "height": 1000})
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        started = time.perf_counter()
        tab.goto(arguments.page.resolve().as_uri())
        tab.wait_for_selector("#list .example")
        rows = [("opening the page", time.perf_counter() - started)]
        documents = tab.evaluate("data.examples.length")
        widths = tab.eval_on_selector_all("metric img", "all => all.map((image) => image.naturalWidth)")
        if arguments.picture:
            tab.screenshot(path=arguments.picture)
        # Until the next frame has been drawn, so that layout counts too.
        frame = "await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));"
        for name, script in ACTIONS.items():
            code = (
                f"async () => {{ const from = performance.now(); {script}; {frame} return performance.now() - from; }}"
            )
            rows.append((name, tab.evaluate(code) / 1000))
        tab.click("button.number >> nth=0")
        browser.close()
    lines = [
        f"{documents:,} documents, {arguments.page.stat().st_size / 1e6:.1f} MB, {len(widths)} metrics "
        f"({sum(width > 0 for width in widths)} shown), {len(said)} lines on the console.",
        "",
        "| | seconds |",
        "| --- | ---: |",
        *(f"| {name} | {seconds:.2f} |" for name, seconds in rows),
    ]
    print("\n".join([*lines, *said]))
    if arguments.out:
        head = "# A report in the browser\n\nHeadless Chromium on a 2-core x86-64 virtual machine; made by "
        head += "`python benchmarks/report_page.py report/index.html`.\n\n"
        arguments.out.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
