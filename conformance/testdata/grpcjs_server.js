// grpc-js as the server: the Raw service, messages being bytes.
//
// Prints its port, serves until standard input ends, then lets calls in progress
// finish. See raw_test.go for what the methods do.
'use strict';

const grpc = require('@grpc/grpc-js');

const bytes = (message) => Buffer.from(message);

function method(name, requestStream, responseStream) {
  return {
    path: '/conformance.Raw/' + name,
    requestStream,
    responseStream,
    requestSerialize: bytes,
    requestDeserialize: bytes,
    responseSerialize: bytes,
    responseDeserialize: bytes,
  };
}

const service = {
  Unary: method('Unary', false, false),
  ServerStream: method('ServerStream', false, true),
  ClientStream: method('ClientStream', true, false),
  Bidi: method('Bidi', true, true),
  TimeLeft: method('TimeLeft', false, false),
  Hang: method('Hang', false, false),
  WaitEnded: method('WaitEnded', false, false),
};

let ended; // tells that a Hang has been cancelled
const hasEnded = new Promise((resolve) => { ended = resolve; });

// begin echoes metadata and returns the trailing, or the status to fail with.
function begin(call) {
  const [busy, previous] = ['x-busy', 'grpc-previous-rpc-attempts'].map((key) => Number(call.metadata.get(key)[0] || 0));
  if (previous < busy) return { failure: { code: grpc.status.UNAVAILABLE, details: 'busy' } };
  const header = new grpc.Metadata();
  const trailer = new grpc.Metadata();
  for (const key of ['x-echo', 'x-echo-bin']) {
    for (const value of call.metadata.get(key)) {
      header.add(key, value);
      trailer.add(key, value);
    }
  }
  call.sendMetadata(header);
  const [code] = call.metadata.get('x-fail');
  if (code === undefined) return { trailer };
  const [details] = call.metadata.get('x-fail-message-bin');
  return { failure: { code: Number(code), details: details.toString('utf8'), metadata: trailer } };
}

function unary(call, callback) {
  const { failure, trailer } = begin(call);
  callback(failure || null, call.request, trailer);
}

function serverStream(call) {
  const { failure, trailer } = begin(call);
  if (failure) {
    call.emit('error', failure);
    return;
  }
  const n = Number(call.request.toString());
  let i = 0;
  const write = () => {
    while (i < n) {
      if (!call.write(Buffer.from(String(i++)))) {
        call.once('drain', write);
        return;
      }
    }
    call.end(trailer);
  };
  write();
}

function clientStream(call, callback) {
  const { failure, trailer } = begin(call);
  if (failure) {
    callback(failure);
    return;
  }
  const all = [];
  call.on('data', (request) => all.push(request));
  call.on('end', () => callback(null, Buffer.concat(all), trailer));
}

function bidi(call) {
  const { failure, trailer } = begin(call);
  if (failure) {
    call.emit('error', failure);
    return;
  }
  call.on('data', (request) => call.write(request));
  call.on('end', () => call.end(trailer));
}

function timeLeft(call, callback) {
  const seconds = (new Date(call.getDeadline()).getTime() - Date.now()) / 1000;
  callback(null, Buffer.from(String(seconds)));
}

function hang(call) {
  if (call.cancelled) {
    ended();
    return;
  }
  call.on('cancelled', ended);
  const header = new grpc.Metadata();
  header.set('x-begun', 'yes');
  call.sendMetadata(header);
}

function waitEnded(call, callback) {
  hasEnded.then(() => callback(null, Buffer.from('yes')));
}

const server = new grpc.Server();
server.addService(service, {
  Unary: unary,
  ServerStream: serverStream,
  ClientStream: clientStream,
  Bidi: bidi,
  TimeLeft: timeLeft,
  Hang: hang,
  WaitEnded: waitEnded,
});
server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  console.log(port);
});
process.stdin.resume();
process.stdin.on('end', () => server.tryShutdown(() => process.exit(0)));
