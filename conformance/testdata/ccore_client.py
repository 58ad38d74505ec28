"""C-core as the client: calls the Raw service at the address given.

Runs the cases named after it, or all of CASES. Prints a line per case, its name
and either "ok" or what is wrong. See raw_test.go for what the methods do.
"""

import sys

import grpc

PREFIX = "/conformance.Raw/"
EVERY_BYTE = bytes(range(256))
SECONDS = 300  # patience, no subject
MIB = 1 << 20

channel = None


def want(got, wanted, what):
    if got != wanted:
        raise AssertionError("%s is %.200r, want %.200r" % (what, got, wanted))


def unary(name="Unary"):
    return channel.unary_unary(PREFIX + name)


def empty_message():
    want(unary()(b"", timeout=SECONDS), b"", "response")


def large_message():
    body = EVERY_BYTE * (3 * MIB // 256)
    want(unary()(body, timeout=SECONDS) == body, True, "response equals request")


def server_stream():
    got = list(channel.unary_stream(PREFIX + "ServerStream")(b"1000", timeout=SECONDS))
    want(got, [str(i).encode() for i in range(1000)], "responses")


def client_stream():
    sent = [str(i).encode() for i in range(1000)]
    got = channel.stream_unary(PREFIX + "ClientStream")(iter(sent), timeout=SECONDS)
    want(got, b"".join(sent), "response")


def bidi():
    sent = [b"", b"a", EVERY_BYTE * 1000, b"b"]
    got = list(channel.stream_stream(PREFIX + "Bidi")(iter(sent), timeout=SECONDS))
    want(got, sent, "responses")


def metadata():
    md = [
        ("x-echo", "one"), ("x-echo", "two"), ("x-echo", "one"),
        ("x-echo-bin", EVERY_BYTE), ("x-echo-bin", b""), ("x-echo-bin", b"\0"),
    ]
    _, call = unary().with_call(b"", metadata=md, timeout=SECONDS)
    for where, got in (("initial", call.initial_metadata()), ("trailing", call.trailing_metadata())):
        for key in ("x-echo", "x-echo-bin"):
            want([v for k, v in got if k == key], [v for k, v in md if k == key], where + " " + key)


def statuses():
    for code in grpc.StatusCode:
        if code is grpc.StatusCode.OK:
            continue
        message = "code %d: 100%% ü\n☺" % code.value[0]
        md = [("x-fail", str(code.value[0])), ("x-fail-message-bin", message.encode("utf-8"))]
        for call in (unary(), lambda m, **kw: list(channel.unary_stream(PREFIX + "ServerStream")(m, **kw))):
            try:
                call(b"1", metadata=md, timeout=SECONDS)
            except grpc.RpcError as e:
                want((e.code(), e.details()), (code, message), "status")
            else:
                raise AssertionError("the call succeeded")


def unimplemented():
    for method in (PREFIX + "NoSuchMethod", "/no.such.Service/Method"):
        try:
            channel.unary_unary(method)(b"", timeout=SECONDS)
        except grpc.RpcError as e:
            want(e.code(), grpc.StatusCode.UNIMPLEMENTED, "code of " + method)
        else:
            raise AssertionError("the call succeeded")


def deadline_travels():
    left = float(unary("TimeLeft")(b"", timeout=600))
    # C-core rounds timeouts up; a minute is what the machine may have been busy.
    want(540 < left <= 660, True, "540 < %g <= 660" % left)


def deadline():
    seconds, begun = 0.3, False
    while not begun:  # how long a call takes to reach the server, the machine says
        call = unary("Hang").future(b"", timeout=seconds)
        want(call.code(), grpc.StatusCode.DEADLINE_EXCEEDED, "code")
        begun = ("x-begun", "yes") in (call.initial_metadata() or ())
        seconds *= 2


def cancel():
    responses = channel.stream_stream(PREFIX + "Bidi")(endless(), timeout=SECONDS)
    next(responses)
    responses.cancel()
    try:
        list(responses)
    except grpc.RpcError as e:
        want(e.code(), grpc.StatusCode.CANCELLED, "code")
    call = unary("Hang").future(b"", timeout=SECONDS)
    call.cancel()
    want(call.code(), grpc.StatusCode.CANCELLED, "code")


def endless():
    while True:
        yield b"ping"


def gzip():
    compressed(grpc.Compression.Gzip)


def deflate():  # not of CASES: a server does not accept it unless told to
    compressed(grpc.Compression.Deflate)


def deflate_refused():
    try:
        unary()(bytes(MIB), compression=grpc.Compression.Deflate, timeout=SECONDS)
    except grpc.RpcError as e:
        want(e.code(), grpc.StatusCode.UNIMPLEMENTED, "code")
        want("deflate" in e.details(), True, "%r names the encoding" % e.details())
    else:
        raise AssertionError("the call succeeded")
    want(unary()(b"next", timeout=SECONDS), b"next", "response")


def compressed(how):
    body = bytes(3 * MIB)
    call = channel.unary_unary(PREFIX + "Unary")
    want(call(body, compression=how, timeout=SECONDS) == body, True, "response equals request")
    both = channel.stream_stream(PREFIX + "Bidi")
    got = list(both(iter([body, b"", b"x"]), compression=how, timeout=SECONDS))
    want(got == [body, b"", b"x"], True, "responses equal requests")


CASES = (
    empty_message, large_message, server_stream, client_stream, bidi, metadata, statuses,
    unimplemented, deadline_travels, deadline, cancel, gzip,
)


def main():
    global channel
    channel = grpc.insecure_channel(sys.argv[1])
    for case in [globals()[name] for name in sys.argv[2:]] or CASES:
        try:
            case()
        except Exception as e:
            print(case.__name__, type(e).__name__, repr(str(e)), flush=True)
        else:
            print(case.__name__, "ok", flush=True)
    channel.close()


main()
