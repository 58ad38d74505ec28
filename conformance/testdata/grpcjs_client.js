// grpc-js as the client: calls the Raw service at the address given.
//
// Prints a line per case, its name and either "ok" or what is wrong. See
// raw_test.go for what the methods do.
'use strict';

const assert = require('node:assert');
const grpc = require('@grpc/grpc-js');

const EVERY_BYTE = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
const MIB = 1 << 20;
const GZIP = 2; // grpc.compressionAlgorithms.gzip

const bytes = (message) => Buffer.from(message);
const within = (ms) => ({ deadline: Date.now() + ms });
const patience = () => within(300000); // no subject

let client;

// finish gathers all there is of a call.
function finish(call) {
  return new Promise((resolve) => {
    const got = { messages: [] };
    call.on('data', (message) => got.messages.push(message));
    call.on('metadata', (metadata) => { got.header = metadata; });
    call.on('error', () => {}); // the status says it, too
    call.on('status', (status) => {
      got.status = status;
      setImmediate(() => resolve(got));
    });
  });
}

function path(name) {
  return name.startsWith('/') ? name : '/conformance.Raw/' + name;
}

function unary(name, request, metadata = new grpc.Metadata(), options = patience(), from = client) {
  let message;
  const call = from.makeUnaryRequest(path(name), bytes, bytes, request, metadata, options, (error, response) => {
    message = response;
  });
  const result = finish(call).then((got) => ({ ...got, message }));
  return { call, result };
}

function serverStream(name, request, metadata = new grpc.Metadata()) {
  return finish(client.makeServerStreamRequest(path(name), bytes, bytes, request, metadata, patience()));
}

function bidi(from = client) {
  return from.makeBidiStreamRequest(path('Bidi'), bytes, bytes, new grpc.Metadata(), patience());
}

function wantOK(got) {
  assert.strictEqual(got.status.code, grpc.status.OK, got.status.details);
}

function wantMessages(got, sent) {
  wantOK(got);
  assert.strictEqual(got.messages.length, sent.length, 'number of responses');
  sent.forEach((message, i) => assert.ok(message.equals(got.messages[i]), 'response ' + i + ' equals the request'));
}

async function echo(body, from = client) {
  const got = await unary('Unary', body, new grpc.Metadata(), patience(), from).result;
  wantOK(got);
  assert.ok(body.equals(got.message), 'response equals request');
}

async function chat(sent, from = client) {
  const call = bidi(from);
  const result = finish(call);
  sent.forEach((message) => call.write(message));
  call.end();
  wantMessages(await result, sent);
}

const cases = {
  empty_message: () => echo(Buffer.alloc(0)),

  large_message: () => echo(Buffer.alloc(3 * MIB, EVERY_BYTE)),

  async server_stream() {
    const want = Array.from({ length: 1000 }, (_, i) => Buffer.from(String(i)));
    wantMessages(await serverStream('ServerStream', Buffer.from('1000')), want);
  },

  async client_stream() {
    let message;
    const call = client.makeClientStreamRequest(
      path('ClientStream'), bytes, bytes, new grpc.Metadata(), patience(), (error, response) => { message = response; });
    const result = finish(call);
    const sent = Array.from({ length: 1000 }, (_, i) => Buffer.from(String(i)));
    sent.forEach((request) => call.write(request));
    call.end();
    wantOK(await result);
    assert.ok(Buffer.concat(sent).equals(message), 'response is all requests');
  },

  bidi: () => chat([Buffer.alloc(0), Buffer.from('a'), Buffer.alloc(256000, EVERY_BYTE), Buffer.from('b')]),

  async metadata() {
    const metadata = new grpc.Metadata();
    const binary = [EVERY_BYTE, Buffer.alloc(0), Buffer.from([0])];
    ['one', 'two', 'one'].forEach((value) => metadata.add('x-echo', value));
    binary.forEach((value) => metadata.add('x-echo-bin', value));
    const got = await unary('Unary', Buffer.alloc(0), metadata).result;
    wantOK(got);
    for (const where of [got.header, got.status.metadata]) {
      // Node joins the values of fields with one name.
      assert.strictEqual(where.get('x-echo').join(', '), 'one, two, one');
      assert.deepStrictEqual(where.get('x-echo-bin'), binary);
    }
  },

  async statuses() {
    for (let code = 1; code <= 16; code++) {
      const details = 'code ' + code + ': 100% ü\n☺';
      const metadata = new grpc.Metadata();
      metadata.set('x-fail', String(code));
      metadata.set('x-fail-message-bin', Buffer.from(details));
      const one = await unary('Unary', Buffer.from('1'), metadata).result;
      const many = await serverStream('ServerStream', Buffer.from('1'), metadata);
      for (const { status } of [one, many]) {
        assert.deepStrictEqual([status.code, status.details], [code, details]);
      }
    }
  },

  async unimplemented() {
    for (const name of ['NoSuchMethod', '/no.such.Service/Method']) {
      const got = await unary(name, Buffer.alloc(0)).result;
      assert.strictEqual(got.status.code, grpc.status.UNIMPLEMENTED, name);
    }
  },

  async deadline_travels() {
    const got = await unary('TimeLeft', Buffer.alloc(0), new grpc.Metadata(), within(600000)).result;
    wantOK(got);
    const left = Number(got.message.toString());
    // A minute is what the machine may have been busy.
    assert.ok(left > 540 && left <= 660, '540 < ' + left + ' <= 660');
  },

  async deadline() {
    for (let ms = 300, begun = false; !begun; ms *= 2) { // how long a call takes to reach the server, the machine says
      const got = await unary('Hang', Buffer.alloc(0), new grpc.Metadata(), within(ms)).result;
      assert.strictEqual(got.status.code, grpc.status.DEADLINE_EXCEEDED);
      begun = got.header !== undefined && got.header.get('x-begun').length === 1;
    }
  },

  async cancel() {
    const call = bidi();
    const result = finish(call);
    call.once('data', () => call.cancel());
    call.write(Buffer.from('ping'));
    assert.strictEqual((await result).status.code, grpc.status.CANCELLED);
    const hanging = unary('Hang', Buffer.alloc(0));
    setImmediate(() => hanging.call.cancel());
    assert.strictEqual((await hanging.result).status.code, grpc.status.CANCELLED);
  },

  async gzip() {
    const compressing = new grpc.Client(process.argv[2], grpc.credentials.createInsecure(), {
      'grpc.default_compression_algorithm': GZIP,
    });
    const body = Buffer.alloc(3 * MIB);
    await echo(body, compressing);
    await chat([body, Buffer.alloc(0), Buffer.from('x')], compressing);
    compressing.close();
  },
};

async function main() {
  client = new grpc.Client(process.argv[2], grpc.credentials.createInsecure());
  for (const [name, run] of Object.entries(cases)) {
    try {
      await run();
      console.log(name, 'ok');
    } catch (error) {
      console.log(name, error.name, JSON.stringify(error.message));
    }
  }
  client.close();
}

main();
