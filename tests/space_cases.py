"""Shared parts of the tests of the Space: texts, and a client that waits."""

from time_limits import SECONDS

KOREAN = "이재용 회장이 서울에서 회의를 열었다. 김연아는 부산을 찾았다."
HOSTILE = (
    "<script>window.pwned=1</script><img src=x onerror=window.pwned=2><b>굵게</b> ${window.pwned=3} "
    "{{constructor.constructor('window.pwned=4')()}} **별** | 칸 | [x](javascript:window.pwned=5) $$x^2$$ @children "
    "`x` \"'&lt; 이재용"
)


def patient_client(address: str):
    """A client of the page's endpoints; by itself it would give up on a busy machine after five seconds."""
    from gradio_client import Client

    return Client(address, verbose=False, httpx_kwargs={"timeout": SECONDS})
