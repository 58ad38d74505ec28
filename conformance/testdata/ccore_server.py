"""C-core as the server: the Raw service, messages being bytes.

Prints its port, serves until standard input ends, then lets calls in progress
finish, for a minute at most. Responses are compressed with gzip, or as the first
argument says, by its name in grpc.Compression. See raw_test.go for what the
methods do.
"""

import sys
import threading
from concurrent import futures

import grpc

SERVICE = "conformance.Raw"
ended = threading.Event()  # a Hang has been cancelled


def begin(context):
    """Echo metadata, or fail as it says."""
    asked = dict(context.invocation_metadata())
    if int(asked.get("grpc-previous-rpc-attempts", 0)) < int(asked.get("x-busy", 0)):
        context.abort(grpc.StatusCode.UNAVAILABLE, "busy")
    md = [(k, v) for k, v in context.invocation_metadata() if k.startswith("x-echo")]
    context.send_initial_metadata(md)
    context.set_trailing_metadata(md)
    if "x-fail" in asked:
        code = next(c for c in grpc.StatusCode if c.value[0] == int(asked["x-fail"]))
        context.abort(code, asked["x-fail-message-bin"].decode("utf-8"))


def unary(request, context):
    begin(context)
    return request


def server_stream(request, context):
    begin(context)
    for i in range(int(request)):
        yield str(i).encode()


def client_stream(requests, context):
    begin(context)
    return b"".join(requests)


def bidi(requests, context):
    begin(context)
    yield from requests


def time_left(request, context):
    return str(context.time_remaining()).encode()


def hang(request, context):
    over = threading.Event()
    if context.add_callback(over.set):  # else it is over already
        context.send_initial_metadata((("x-begun", "yes"),))
        over.wait()
    ended.set()
    return b""


def wait_ended(request, context):
    return b"yes" if ended.wait(300) else b"no"


handlers = {
    "Unary": grpc.unary_unary_rpc_method_handler(unary),
    "ServerStream": grpc.unary_stream_rpc_method_handler(server_stream),
    "ClientStream": grpc.stream_unary_rpc_method_handler(client_stream),
    "Bidi": grpc.stream_stream_rpc_method_handler(bidi),
    "TimeLeft": grpc.unary_unary_rpc_method_handler(time_left),
    "Hang": grpc.unary_unary_rpc_method_handler(hang),
    "WaitEnded": grpc.unary_unary_rpc_method_handler(wait_ended),
}


def main():
    compression = grpc.Compression[sys.argv[1] if len(sys.argv) > 1 else "Gzip"]
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=20), compression=compression)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    sys.stdin.read()
    server.stop(grace=60).wait()


main()
