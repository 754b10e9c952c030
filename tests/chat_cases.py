"""Chat templates with and without the current date."""

# As Llama 3.2 has it: a date of the caller's, else today's, else a fixed one.
LLAMA = (
    "{%- if not date_string is defined %}{%- if strftime_now is defined %}"
    '{%- set date_string = strftime_now("%d %b %Y") %}{%- else %}{%- set date_string = "26 Jul 2024" %}{%- endif %}'
    "{%- endif %}Today Date: {{ date_string }}\n"
    "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
# As Granite 3 has it, with a macro: the date only where there is no system message.
GRANITE = (
    "{%- macro today() %}Today's Date: {{ strftime_now('%B %d, %Y') }}.\n{%- endmacro %}"
    "{%- if messages[0]['role'] != 'system' %}{{ today() }}{% endif %}"
    "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}<|end|>{%- endfor %}<assistant>"
)
# As Llama 3.1 has it, and as most have it.
FIXED = LLAMA.replace('{%- set date_string = strftime_now("%d %b %Y") %}', '{%- set date_string = "26 Jul 2024" %}')
PLAIN = "{%- for m in messages %}<{{ m['role'] }}>{{ m['content'] }}<|end|>{%- endfor %}<assistant>"
DATED = {
    "Llama": (LLAMA, "Today Date: 03 Feb 2025\n"),
    "Granite": (GRANITE, "Today's Date: February 03, 2025.<user>"),
    "with a time": (PLAIN.replace("{%", "{{ strftime_now('%Y-%m-%d %H:%M') }}{%", 1), "2025-02-03 00:00"),
}
