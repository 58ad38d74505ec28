// The BenchmarkService as every client and server of the bench speaks it; see
// benchmark/internal/service.
#pragma once

#include <algorithm>
#include <stdexcept>
#include <string>

#include "benchmark.grpc.pb.h"

using grpc::testing::BenchmarkService;
using grpc::testing::SimpleRequest;
using grpc::testing::SimpleResponse;

constexpr int kMaxStreams = 1000000;  // per connection
constexpr int kMaxMessage = 64 << 20;  // bytes

// Request asks for as many bytes as it brings.
inline SimpleRequest Request(int size) {
  SimpleRequest req;
  req.set_response_size(size);
  req.mutable_payload()->mutable_body()->resize(size);
  return req;
}

// RequestDown asks for messages of size bytes and brings none.
inline SimpleRequest RequestDown(int size) {
  SimpleRequest req;
  req.set_response_size(size);
  return req;
}

// Answer makes res the answer to req and may take the payload of req, which is
// what a request gets that brings as many bytes as it asks for, or asks for none.
inline void Answer(SimpleResponse* res, SimpleRequest* req) {
  int n = req->response_size();
  if (n <= 0 || static_cast<size_t>(n) == req->payload().body().size()) {
    res->set_allocated_payload(req->release_payload());
    return;
  }
  res->mutable_payload()->mutable_body()->assign(std::min(n, kMaxMessage), '\0');
}

// Check throws at an answer that has not the size that was asked for.
inline void Check(const SimpleResponse& res, int size) {
  size_t n = res.payload().body().size();
  if (n != static_cast<size_t>(size)) {
    throw std::runtime_error("a response of " + std::to_string(n) + " bytes, asked for " + std::to_string(size));
  }
}
