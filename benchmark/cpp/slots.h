// The operations of a client, with the asynchronous API of grpc++.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <grpcpp/grpcpp.h>

#include "load.h"
#include "service.h"

// Conn is a connection of its own, and the queue of all that is done on it.
struct Conn {
  std::unique_ptr<BenchmarkService::Stub> stub;
  grpc::CompletionQueue* queue;
};

// RPC is what the slots have in common.
class RPC : public Slot {
 public:
  RPC(Load* load, Conn* conn, SimpleRequest req)
      : load_(load), conn_(conn), req_(std::move(req)), size_(req_.response_size()) {
    turn.slot = this;
  }

  Turn turn;

 protected:
  // Next begins the next operation, if it is time.
  void Next() {
    if (load_->Done(&turn)) Start();
  }

  // NextIfAnswered does, if what has come is what was asked for.
  void NextIfAnswered() {
    try {
      Check(res_, size_);
    } catch (const std::exception& e) {
      load_->Failed(e.what());
      return;
    }
    Next();
  }

  void Ended() { load_->Failed("the stream has ended"); }

  Load* const load_;
  Conn* const conn_;
  const SimpleRequest req_;
  const int size_;
  SimpleResponse res_;
};

// Unary is a call that is made again and again.
class Unary final : public RPC {
 public:
  Unary(Load* load, Conn* conn, int size) : RPC(load, conn, Request(size)) {}

  void Start() override {
    call_.reset();  // before the context, in whose call it lives
    context_.emplace();
    call_ = conn_->stub->AsyncUnaryCall(&*context_, req_, conn_->queue);
    call_->Finish(&res_, &status_, this);
  }

  void Proceed(bool) override {
    if (status_.ok()) return NextIfAnswered();
    load_->Failed("status " + std::to_string(status_.error_code()) + ": " + status_.error_message());
  }

 private:
  std::optional<grpc::ClientContext> context_;
  std::unique_ptr<grpc::ClientAsyncResponseReader<SimpleResponse>> call_;
  grpc::Status status_;
};

// PingPong writes and reads at once: the operation has ended when both have. Its
// writes may not be buffered, for nothing follows that would flush them.
class PingPong final : public RPC {
 public:
  PingPong(Load* load, Conn* conn, int size) : RPC(load, conn, Request(size)) {}

  void Start() override {
    if (stream_ == nullptr) {
      context_.set_initial_metadata_corked(true);
      stream_ = conn_->stub->PrepareAsyncStreamingCall(&context_, conn_->queue);
      stream_->StartCall(nullptr);
    }
    waiting_ = 2;
    stream_->Write(req_, this);
    stream_->Read(&res_, this);
  }

  void Proceed(bool ok) override {
    failed_ = failed_ || !ok;
    if (--waiting_ > 0) return;
    if (failed_) return Ended();
    NextIfAnswered();
  }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<SimpleRequest, SimpleResponse>> stream_;
  int waiting_ = 0;
  bool failed_ = false;
};

// Down receives messages of a stream.
class Down final : public RPC {
 public:
  Down(Load* load, Conn* conn, int size) : RPC(load, conn, RequestDown(size)) {}

  void Start() override {
    if (opened_) return stream_->Read(&res_, this);
    stream_ = conn_->stub->PrepareAsyncStreamingFromServer(&context_, req_, conn_->queue);
    stream_->StartCall(this);  // apart: the tag may come before an assignment would be done
  }

  void Proceed(bool ok) override {
    if (!ok) return Ended();
    if (opened_) return NextIfAnswered();
    opened_ = true;
    Start();
  }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientAsyncReader<SimpleResponse>> stream_;
  bool opened_ = false;
};

// Up sends messages on a stream. A write ends when the message fits the write
// buffer, as it does with cqrpc's BufferHint.
class Up final : public RPC {
 public:
  Up(Load* load, Conn* conn, int size) : RPC(load, conn, Request(size)) {}

  void Start() override {
    if (stream_ == nullptr) {
      context_.set_initial_metadata_corked(true);
      stream_ = conn_->stub->PrepareAsyncStreamingFromClient(&context_, &res_, conn_->queue);
      stream_->StartCall(nullptr);
    }
    stream_->Write(req_, grpc::WriteOptions().set_buffer_hint(), this);
  }

  void Proceed(bool ok) override {
    if (!ok) return Ended();
    Next();
  }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientAsyncWriter<SimpleRequest>> stream_;
};

// NewSlot makes what a mode consists of.
inline std::unique_ptr<RPC> NewSlot(const std::string& mode, Load* load, Conn* conn, int size) {
  if (mode == "pingpong" || mode == "idle-streams") return std::make_unique<PingPong>(load, conn, size);
  if (mode == "down") return std::make_unique<Down>(load, conn, size);
  if (mode == "up") return std::make_unique<Up>(load, conn, size);
  return std::make_unique<Unary>(load, conn, size);
}
