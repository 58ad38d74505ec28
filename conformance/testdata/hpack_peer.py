"""An HPACK coder that shares no code with ours (python3-hpack, of hyper-h2).

Reads a request per line and answers each with a line, all of it JSON, octets as
hexadecimal digits:

    {"size": 100, "block": "82"}                decode, the table being at most 100
    {"size": 100, "fields": [["6b", "76"]]}     encode, the table being 100

A size of -1 leaves the table as it is. What cannot be decoded is answered with
the reason.
"""

import json
import sys

import hpack

decoder = hpack.Decoder(max_header_list_size=1 << 20)
encoder = hpack.Encoder()


def decode(size, block):
    if size >= 0:
        decoder.max_allowed_table_size = size
    fields = decoder.decode(bytes.fromhex(block), raw=True)
    return {"fields": [[name.hex(), value.hex()] for name, value in fields]}


def encode(size, fields):
    if size >= 0:
        encoder.header_table_size = size
    pairs = [(bytes.fromhex(name), bytes.fromhex(value)) for name, value in fields]
    return {"block": encoder.encode(pairs, huffman=True).hex()}


for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = (decode if "block" in request else encode)(**request)
    except hpack.HPACKError as error:
        answer = {"error": repr(error)}
    print(json.dumps(answer), flush=True)
