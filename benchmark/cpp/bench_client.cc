// bench_client drives a server of grpc.testing.BenchmarkService with the
// asynchronous API of grpc++. It takes the flags of the Go program bench-client
// and, like it, prints a JSON object in the last line. In the idle modes it holds
// what it has opened until SIGTERM.
#include <csignal>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "load.h"
#include "plan.h"
#include "slots.h"
#include "usage.h"

namespace {

// kOpening is how many streams or connections are being opened at a time.
constexpr int kOpening = 256;

// Station is queues with one thread each, which live as long as the process.
class Station {
 public:
  explicit Station(int queues) {
    for (int i = 0; i < queues; i++) {
      auto* queue = new grpc::CompletionQueue;
      queues_.push_back(queue);
      std::thread([queue] {
        void* tag;
        bool ok;
        while (queue->Next(&tag, &ok)) static_cast<Slot*>(tag)->Proceed(ok);
      }).detach();
    }
  }

  grpc::CompletionQueue* Pick() { return queues_[picked_++ % queues_.size()]; }

 private:
  std::vector<grpc::CompletionQueue*> queues_;
  size_t picked_ = 0;
};

// Dial makes connections, none of which is shared.
std::vector<Conn> Dial(const std::string& addr, int n, Station* station) {
  grpc::ChannelArguments args;
  args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  args.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  args.SetMaxReceiveMessageSize(kMaxMessage);
  std::vector<Conn> conns;
  for (int i = 0; i < n; i++) {
    auto channel = grpc::CreateCustomChannel(addr, grpc::InsecureChannelCredentials(), args);
    conns.push_back({BenchmarkService::NewStub(channel), station->Pick()});
  }
  return conns;
}

// Client is a run. It is never deleted: what is open ends with the process.
class Client {
 public:
  Client(const std::string& addr, const Plan& plan, Station* station)
      : plan_(plan), conns_(Dial(addr, plan.conns, station)), load_(&meter_, TheRhythm(), plan.Stride()) {}

  // Measure keeps all slots at work, or those that are due.
  Outcome Measure() {
    for (int i = 0; i < plan_.conns * plan_.streams; i++) Add();
    if (plan_.rate > 0) {
      for (auto& slot : slots_) pacer_.Add(&slot->turn);
      pacing_ = std::thread([this] { pacer_.Run(&meter_, &load_, plan_.rate); });
    } else {
      for (auto& slot : slots_) load_.Begin(&slot->turn, meter_.Now());
    }
    Outcome o = Watch();
    pacer_.Halt();
    if (pacing_.joinable()) pacing_.join();
    meter_.Stop();
    o.total = meter_.latency.Load().Total();
    return o;
  }

  // Hold opens streams, each with one message there and back, or connections,
  // each with one call.
  Outcome Hold() {
    GiveBack();
    Usage before = UsageOfSelf();
    int n = plan_.conns * (plan_.mode == "idle-streams" ? plan_.streams : 1);
    for (int i = 0; i < n; i++) {
      meter_.AwaitAtMost(kOpening - 1);
      load_.Begin(Add(), meter_.Now());
    }
    meter_.AwaitAtMost(0);
    Outcome o;
    o.wall = meter_.Now();
    o.counts = meter_.latency.Load();
    o.total = o.counts.Total();
    GiveBack();
    Usage after = UsageOfSelf();
    o.cpu = static_cast<double>(after.cpu - before.cpu);
    o.bytes = static_cast<double>(after.resident - before.resident);
    return o;
  }

 private:
  // Add makes a slot, connection by connection in turn.
  Turn* Add() {
    slots_.push_back(NewSlot(plan_.mode, &load_, &conns_[slots_.size() % conns_.size()], plan_.size));
    return &slots_.back()->turn;
  }

  // Watch looks at the meter when the warm-up is over and at the end.
  Outcome Watch() {
    meter_.Work(plan_.warmup, Counts());
    Counts before = meter_.latency.Load();
    Usage usage = UsageOfSelf();
    Nanos begin = meter_.Now();
    Outcome o;
    o.counts = meter_.Work(plan_.duration, before);
    o.wall = meter_.Now() - begin;
    o.cpu = static_cast<double>(UsageOfSelf().cpu - usage.cpu);
    return o;
  }

  // TheRhythm is that of the plan's mode.
  Rhythm* TheRhythm() {
    if (plan_.Idle()) return &once_;
    if (plan_.rate > 0) return &pacer_;
    return &closed_;
  }

  const Plan plan_;
  Meter meter_;
  Closed closed_;
  Once once_;
  Pacer pacer_;
  std::thread pacing_;
  std::vector<Conn> conns_;
  Load load_;
  std::vector<std::unique_ptr<RPC>> slots_;
};

int Run(const std::string& addr, const Plan& plan, int queues) {
  plan.Check();
  if (addr.empty()) throw std::invalid_argument("-addr is missing");
  int processors = std::max(1u, std::thread::hardware_concurrency());
  if (queues < 1) queues = std::min(plan.conns, processors);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  if (plan.Idle()) pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  Client* client = new Client(addr, plan, new Station(queues));
  Print(plan, plan.Idle() ? client->Hold() : client->Measure());
  int signal;
  if (plan.Idle()) sigwait(&signals, &signal);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::string addr;
  Plan plan;
  int queues = 0;
  Flags flags;
  flags.Add("addr", &addr);
  flags.Add("mode", &plan.mode);
  flags.Add("conns", &plan.conns);
  flags.Add("streams", &plan.streams);
  flags.Add("size", &plan.size);
  flags.Add("rate", &plan.rate);
  flags.Add("warmup", &plan.warmup);
  flags.Add("d", &plan.duration);
  flags.Add("queues", &queues);
  flags.Ignore("impl");
  flags.Ignore("style");
  flags.Parse(argc, argv);
  int status = 1;
  try {
    status = Run(addr, plan, queues);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "bench_client: %s\n", e.what());
  }
  std::_Exit(status);  // with what is open
}
