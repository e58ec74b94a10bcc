"""The wire: a small HTTP/1.1 client for object storage, and nothing else.

`codec` turns heads into bytes and bytes into heads, without I/O. `exchange` says what is done on a
connection and what its failures mean; `blocking` and `aio` move the bytes, in threads and on asyncio.
`sigv4` signs, `xml` reads answers. No redirects, no cookies, no ``.netrc``, no decompression, no
retries: those are decisions, and they are made above.
"""
