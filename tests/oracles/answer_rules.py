"""The official metrics of answers once more, step by step and character by character, to judge the product's by.

Written from the rules of KorQuAD 1.0's, KorQuAD 2.0's, SQuAD 1.1's, SQuAD 2.0's and KLUE-MRC's evaluation. Each
normalisation is a list of named steps, so that one of them can be left out to see what it is good for.
"""

ASCII_PUNCTUATION = [chr(code) for code in range(33, 127) if not chr(code).isalnum()]
TITLE_MARKS = ["'", '"', "《", "》", "<", ">", "〈", "〉", "(", ")", "‘", "’"]
STEPS = {
    "korquad": ["marks", "case", "punctuation", "spaces"],
    "korquad2": ["marks", "case", "punctuation", "all spaces"],
    "korquad2_html": ["tags", "marks", "case", "punctuation", "all spaces"],
    "squad": ["case", "punctuation", "articles", "spaces"],
    "squad_v2": ["case", "punctuation", "articles", "spaces"],
    "klue_mrc": ["case", "klue marks", "punctuation", "spaces"],
}


def replace_marks(text):
    for mark in TITLE_MARKS:
        text = " ".join(text.split(mark))
    return text


def replace_klue_marks(text):
    """One of eight marks that stands directly before the four characters ()‘’ goes together with them."""
    for mark in TITLE_MARKS[:8]:
        text = text.replace(mark + "()‘’", " ")
    return text


def drop_punctuation(text):
    kept = ""
    for character in text:
        if character not in ASCII_PUNCTUATION:
            kept += character
    return kept


def drop_articles(text):
    """A run of letters, digits and low lines that is an article becomes a space."""
    kept, run = "", ""
    for character in text + "\n":
        if character.isalnum() or character == "_":
            run += character
        else:
            kept += (" " if run in ("a", "an", "the") else run) + character
            run = ""
    return kept[:-1]


def squeeze(text):
    words, word = [], ""
    for character in text + " ":
        if character.isspace():
            if word:
                words.append(word)
            word = ""
        else:
            word += character
    return " ".join(words)


def drop_tags(text):
    """The text that a browser shows: tags are dropped, named characters are themselves."""
    kept, at = "", 0
    while at < len(text):
        rest = text[at:]
        name = rest[1:].removeprefix("/")
        if rest.startswith("<!--"):
            end = rest.find("-->")
            at = at + end + 3 if end >= 0 else len(text)
        elif rest[0] == "<" and (rest[1:2] in ("!", "?") or (name[:1].isascii() and name[:1].isalpha())):
            quote = ""
            while at < len(text) and (quote or text[at] != ">"):
                if quote and text[at] == quote:
                    quote = ""
                elif not quote and text[at] in "\"'" and text[:at].rstrip().endswith("="):
                    quote = text[at] if text[at] in text[at + 1 :] else ""
                at += 1
            at += 1
        elif rest[0] == "&":
            known = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "nbsp": "\u00a0"}
            name = next((name for name in known if rest[1:].startswith(name)), "")
            kept += known.get(name, "&")
            at += 1 + len(name) + (name != "" and rest[1 + len(name) :].startswith(";"))
        else:
            kept += rest[0]
            at += 1
    return kept


def drop_spaces(text):
    return "".join(character for character in text if not character.isspace())


DO = {
    "tags": drop_tags,
    "all spaces": drop_spaces,
    "marks": replace_marks,
    "klue marks": replace_klue_marks,
    "case": str.lower,
    "punctuation": drop_punctuation,
    "articles": drop_articles,
    "spaces": squeeze,
}


def normal(text, rules, without=None):
    for step in STEPS[rules]:
        if step != without:
            text = DO[step](text)
    return text


def f1(mine, gold, both_empty):
    """Harmonic mean of precision and recall of what two lists share, each element used up once."""
    if not mine and not gold:
        return both_empty
    remaining, shared = list(gold), 0
    for element in mine:
        if element in remaining:
            remaining.remove(element)
            shared += 1
    if not shared:
        return 0.0
    precision, recall = shared / len(mine), shared / len(gold)
    return 2 * precision * recall / (precision + recall)


def rouge_w(mine, gold):
    """F1 of the longest common run; seeds of runs as difflib's "popular characters" leave them."""
    if gold == "":
        return float(mine == "")
    barred = {c for c in gold if len(gold) >= 200 and gold.count(c) > len(gold) // 100 + 1}
    best = (0, 0, 0)
    for at in range(len(mine)):
        for there in range(len(gold)):
            size = 0
            while (
                at + size < len(mine)
                and there + size < len(gold)
                and mine[at + size] == gold[there + size]
                and gold[there + size] not in barred
            ):
                size += 1
            if size > best[2]:
                best = (at, there, size)
    at, there, size = best
    while at and there and mine[at - 1] == gold[there - 1]:
        at, there, size = at - 1, there - 1, size + 1
    while at + size < len(mine) and there + size < len(gold) and mine[at + size] == gold[there + size]:
        size += 1
    if not size:
        return 0.0
    precision, recall = size / len(mine), size / len(gold)
    return 2 * precision * recall / (precision + recall)


def metrics(said, golds, rules, without=None):
    """Exact match, F1 and for KLUE-MRC ROUGE-W of one question, the best over its gold answers."""
    mine = normal(said, rules, without)
    forms = [normal(gold, rules, without) for gold in golds]
    if rules == "squad_v2":
        forms = [form for form in forms if form]
    nothing = not forms
    found = {"exact_match": [], "f1": [], "rouge_w": []}
    for form in forms or [""]:
        found["exact_match"].append(1.0 if mine == form else 0.0)
        if rules.startswith("squad"):
            mine_tokens, gold_tokens = mine.split(), form.split()
        else:
            mine_tokens, gold_tokens = ([c for word in side.split() for c in word] for side in (mine, form))
        both_empty = 1.0 if nothing or rules in ("squad_v2", "klue_mrc") else 0.0
        found["f1"].append(f1(mine_tokens, gold_tokens, both_empty))
        found["rouge_w"].append(rouge_w(mine, form))
    if rules != "klue_mrc":
        del found["rouge_w"]
    return {name: max(values) for name, values in found.items()}
