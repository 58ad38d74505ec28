// bench_server serves grpc.testing.BenchmarkService with the asynchronous API of
// grpc++: completion queues with one thread each, and a record per call. It
// prints its address when it listens. At SIGUSR1 it gives unused memory back to
// the system, at SIGUSR2 too, and then prints a line of JSON with what it has
// used so far. SIGTERM and SIGINT end it.
#include <csignal>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "flags.h"
#include "service.h"
#include "usage.h"

namespace {

// How many requests a queue keeps posted, so that a burst finds them.
constexpr int kPosted = 1000;

using Service = BenchmarkService::AsyncService;

// Place is where a record lives.
struct Place {
  Service* service;
  grpc::ServerCompletionQueue* queue;
};

// Record is a call whose address is the tag of its operations, one at a time.
class Record {
 public:
  explicit Record(Place at) : at_(at) {}
  virtual ~Record() = default;

  // Proceed is called when the operation has ended.
  virtual void Proceed(bool ok) = 0;

 protected:
  enum Step { kRequested, kReading, kWriting, kFinishing };

  // Gone lets go of a call that has ended, or never was: the record is deleted.
  bool Gone(bool ok) {
    if (step_ != kFinishing && (step_ != kRequested || ok)) return false;
    delete this;
    return true;
  }

  Place at_;
  Step step_ = kRequested;
};

// UnaryCall is used for the next call when one has been answered.
class UnaryCall final : public Record {
 public:
  explicit UnaryCall(Place at) : Record(at) { Ask(); }

  void Proceed(bool ok) override {
    if (step_ == kFinishing) {
      Ask();
    } else if (!Gone(ok)) {
      step_ = kFinishing;
      Answer(&res_, &req_);
      responder_->Finish(res_, grpc::Status::OK, this);
    }
  }

 private:
  void Ask() {
    step_ = kRequested;
    responder_.reset();
    context_.emplace();
    responder_.emplace(&*context_);
    at_.service->RequestUnaryCall(&*context_, &req_, &*responder_, at_.queue, at_.queue, this);
  }

  std::optional<grpc::ServerContext> context_;
  std::optional<grpc::ServerAsyncResponseWriter<SimpleResponse>> responder_;
  SimpleRequest req_;
  SimpleResponse res_;
};

// PingPongCall sends back what it receives.
class PingPongCall final : public Record {
 public:
  explicit PingPongCall(Place at) : Record(at), stream_(&context_) {
    at_.service->RequestStreamingCall(&context_, &stream_, at_.queue, at_.queue, this);
  }

  void Proceed(bool ok) override {
    if (Gone(ok)) return;
    if (!ok) {  // half-closed, or dead
      step_ = kFinishing;
      stream_.Finish(grpc::Status::OK, this);
    } else if (step_ == kReading) {
      step_ = kWriting;
      Answer(&res_, &req_);
      stream_.Write(res_, this);
    } else {
      if (step_ == kRequested) new PingPongCall(at_);
      step_ = kReading;
      stream_.Read(&req_, this);
    }
  }

 private:
  grpc::ServerContext context_;
  grpc::ServerAsyncReaderWriter<SimpleResponse, SimpleRequest> stream_;
  SimpleRequest req_;
  SimpleResponse res_;
};

// DownCall sends the same message until the client has enough.
class DownCall final : public Record {
 public:
  explicit DownCall(Place at) : Record(at), stream_(&context_) {
    at_.service->RequestStreamingFromServer(&context_, &req_, &stream_, at_.queue, at_.queue, this);
  }

  void Proceed(bool ok) override {
    if (Gone(ok)) return;
    if (!ok) {
      step_ = kFinishing;
      stream_.Finish(grpc::Status::OK, this);
      return;
    }
    // The first message may not be buffered: C-core would hold back the headers
    // too, whose end the operation waits for.
    grpc::WriteOptions options;
    if (step_ == kWriting) {
      options.set_buffer_hint();
    } else {
      new DownCall(at_);
      step_ = kWriting;
      Answer(&res_, &req_);
    }
    stream_.Write(res_, options, this);
  }

 private:
  grpc::ServerContext context_;
  grpc::ServerAsyncWriter<SimpleResponse> stream_;
  SimpleRequest req_;
  SimpleResponse res_;
};

// UpCall receives until the client has sent all.
class UpCall final : public Record {
 public:
  explicit UpCall(Place at) : Record(at), stream_(&context_) {
    at_.service->RequestStreamingFromClient(&context_, &stream_, at_.queue, at_.queue, this);
  }

  void Proceed(bool ok) override {
    if (Gone(ok)) return;
    if (!ok) {
      step_ = kFinishing;
      stream_.Finish(SimpleResponse(), grpc::Status::OK, this);
      return;
    }
    if (step_ == kRequested) {
      new UpCall(at_);
      step_ = kReading;
    }
    stream_.Read(&req_, this);
  }

 private:
  grpc::ServerContext context_;
  grpc::ServerAsyncReader<SimpleResponse, SimpleRequest> stream_;
  SimpleRequest req_;
};

// Poll posts requests and runs the events of one queue.
void Poll(Place at) {
  for (int i = 0; i < kPosted; i++) {
    new UnaryCall(at);
    new PingPongCall(at);
  }
  new DownCall(at);
  new UpCall(at);
  void* tag;
  bool ok;
  while (at.queue->Next(&tag, &ok)) static_cast<Record*>(tag)->Proceed(ok);
}

// Block leaves the signals of this program and its threads to sigwait.
sigset_t Block() {
  sigset_t set;
  sigemptyset(&set);
  for (int s : {SIGUSR1, SIGUSR2, SIGTERM, SIGINT}) sigaddset(&set, s);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  return set;
}

// Obey returns at SIGTERM or SIGINT.
void Obey(const sigset_t& signals) {
  for (int signal; sigwait(&signals, &signal) == 0;) {
    if (signal != SIGUSR1 && signal != SIGUSR2) return;
    GiveBack();
    if (signal == SIGUSR1) continue;
    Usage u = UsageOfSelf();
    std::printf("{\"cpu_ns\":%lld,\"resident\":%lld}\n", static_cast<long long>(u.cpu),
                static_cast<long long>(u.resident));
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::string addr = "127.0.0.1:0";
  int queues = 0;
  Flags flags;
  flags.Add("addr", &addr);
  flags.Add("queues", &queues);
  for (const char* name : {"impl", "style", "workers"}) flags.Ignore(name);
  flags.Parse(argc, argv);
  if (queues < 1) queues = std::max(1u, std::thread::hardware_concurrency());

  sigset_t signals = Block();
  Service service;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(addr, grpc::InsecureServerCredentials(), &port);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxStreams);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.SetMaxReceiveMessageSize(kMaxMessage);
  builder.RegisterService(&service);
  std::vector<std::unique_ptr<grpc::ServerCompletionQueue>> all;
  for (int i = 0; i < queues; i++) all.push_back(builder.AddCompletionQueue());
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || port == 0) {
    std::fprintf(stderr, "bench_server: cannot listen at %s\n", addr.c_str());
    return 1;
  }
  for (auto& queue : all) std::thread(Poll, Place{&service, queue.get()}).detach();
  std::printf("%s:%d\n", addr.substr(0, addr.rfind(':')).c_str(), port);
  std::fflush(stdout);
  Obey(signals);
  std::_Exit(0);  // what is under way ends with the process
}
