"""Texts that the tests of the Space share."""

KOREAN = "이재용 회장이 서울에서 회의를 열었다. 김연아는 부산을 찾았다."
HOSTILE = (
    "<script>window.pwned=1</script><img src=x onerror=window.pwned=2><b>굵게</b> ${window.pwned=3} "
    "{{constructor.constructor('window.pwned=4')()}} **별** | 칸 | [x](javascript:window.pwned=5) $$x^2$$ @children "
    "`x` \"'&lt; 이재용"
)
