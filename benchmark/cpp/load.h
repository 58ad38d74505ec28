// How many operations are in flight and when they begin: Go's package load. A
// slot and its turn belong to one operation at a time; everything else may be
// called by any thread.
#pragma once

#include <time.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "flags.h"
#include "histogram.h"

// kPatience is how long operations may take to end when the time is over.
constexpr std::chrono::seconds kPatience(20);

// Meter is what all slots of a run report to.
class Meter {
 public:
  Nanos Now() const { return std::chrono::steady_clock::now() - base_; }

  // Fail ends the run, unless it is over: what is torn down fails.
  void Fail(const std::string& why) {
    std::lock_guard<std::mutex> lock(mu_);
    if (!stopped() && failure_.empty()) failure_ = why;
    changed_.notify_all();
  }

  // Enter and Leave count the slots that are at work.
  void Enter() {
    std::lock_guard<std::mutex> lock(mu_);
    active_++;
  }
  void Leave() {
    std::lock_guard<std::mutex> lock(mu_);
    if (--active_ <= awaited_) changed_.notify_all();
  }

  // Pass lets time pass, and throws if something fails meanwhile.
  void Pass(Nanos d) {
    std::unique_lock<std::mutex> lock(mu_);
    if (changed_.wait_for(lock, d, [this] { return !failure_.empty(); })) throw std::runtime_error(failure_);
  }

  // Work passes more than d if it takes longer until an operation has ended, and
  // returns what was counted since before.
  Counts Work(Nanos d, const Counts& before) {
    Pass(d);
    for (Nanos more = std::chrono::milliseconds(1); more < kPatience; more *= 2) {
      Counts counts = latency.Load().Since(before);
      if (counts.Total() > 0) return counts;
      Pass(more);
    }
    throw std::runtime_error("no operation has ended");
  }

  // AwaitAtMost waits until no more than n slots are at work.
  void AwaitAtMost(int n) {
    std::unique_lock<std::mutex> lock(mu_);
    awaited_ = n;
    bool done = changed_.wait_for(lock, kPatience, [&] { return active_ <= n || !failure_.empty(); });
    awaited_ = -1;
    if (!failure_.empty()) throw std::runtime_error(failure_);
    if (!done) throw std::runtime_error(std::to_string(active_) + " operations do not end");
  }

  // Stop lets no slot start again and waits until none is at work.
  void Stop() {
    stopped_.store(true);
    AwaitAtMost(0);
  }

  bool stopped() const { return stopped_.load(std::memory_order_relaxed); }

  Histogram latency;

 private:
  const std::chrono::steady_clock::time_point base_ = std::chrono::steady_clock::now();
  std::atomic<bool> stopped_{false};
  std::mutex mu_;
  std::condition_variable changed_;
  std::string failure_;  // the first
  int active_ = 0;
  int awaited_ = -1;  // that many slots at work, or fewer, are what somebody waits for
};

// Slot does one operation at a time. Its address is the tag of what it starts.
class Slot {
 public:
  virtual ~Slot() = default;

  // Start begins an operation and does not wait for it.
  virtual void Start() = 0;

  // Proceed is called when something that was started has ended.
  virtual void Proceed(bool ok) = 0;
};

// Turn is a slot's link to the load.
struct Turn {
  Slot* slot = nullptr;
  Nanos since{0};      // when the operation should have begun
  unsigned count = 0;  // messages since the clock was read
};

// Rhythm is when operations begin.
class Rhythm {
 public:
  virtual ~Rhythm() = default;

  // Next is called when an operation of t has ended: is the next to begin?
  virtual bool Next(Turn* t, Nanos now) = 0;
};

// Load is what the turns of a run have in common.
class Load {
 public:
  Load(Meter* meter, Rhythm* rhythm, unsigned stride) : meter_(meter), rhythm_(rhythm), stride_(stride) {}

  // Begin starts a slot, with an operation that should have begun at due.
  void Begin(Turn* t, Nanos due) {
    t->since = due;
    meter_->Enter();
    t->slot->Start();
  }

  // Done says that an operation has ended. If it returns true the slot begins the
  // next at once; if false it rests, and keeps a stream open.
  bool Done(Turn* t) {
    if (++t->count < stride_ && !meter_->stopped()) return true;
    Nanos now = meter_->Now();
    meter_->latency.Add((now - t->since).count() / t->count, t->count);
    t->count = 0;
    if (!meter_->stopped() && rhythm_->Next(t, now)) return true;
    meter_->Leave();
    return false;
  }

  // Failed says that an operation has ended badly: the slot rests.
  void Failed(const std::string& why) {
    meter_->Fail(why);
    meter_->Leave();
  }

 private:
  Meter* const meter_;
  Rhythm* const rhythm_;
  const unsigned stride_;
};

// Closed begins the next operation when one has ended.
class Closed final : public Rhythm {
 public:
  bool Next(Turn* t, Nanos now) override {
    t->since = now;
    return true;
  }
};

// Once is the rhythm of what is opened to be held.
class Once final : public Rhythm {
 public:
  bool Next(Turn*, Nanos) override { return false; }
};

// Pacer is the rhythm of an open loop, a Poisson process. An operation that finds
// every slot at work waits for one, and its latency counts from when it was due.
class Pacer final : public Rhythm {
 public:
  // Add adds a slot that rests.
  void Add(Turn* t) { resting_.push_back(t); }

  bool Next(Turn* t, Nanos) override {
    std::lock_guard<std::mutex> lock(mu_);
    if (overdue_.empty()) {
      resting_.push_back(t);  // the last to have ended is the next to begin
      return false;
    }
    t->since = overdue_.front();
    overdue_.pop_front();
    return true;
  }

  // Run begins operations at rate per second until Halt.
  void Run(Meter* meter, Load* load, double rate) {
    std::mt19937_64 random(1);  // the same moments in every run
    std::exponential_distribution<double> gap(rate / 1e9);
    for (Nanos due = meter->Now(); !halted_.load();) {
      due += Nanos(static_cast<int64_t>(gap(random)));
      Nanos wait = due - meter->Now();
      if (wait > Nanos(0)) Nap(wait);
      if (halted_.load()) return;
      if (Turn* t = Take(due)) load->Begin(t, due);
    }
  }

  void Halt() { halted_.store(true); }

 private:
  static void Nap(Nanos d) {
    timespec ts{static_cast<time_t>(d.count() / 1000000000), static_cast<long>(d.count() % 1000000000)};
    nanosleep(&ts, nullptr);
  }

  // Take returns a slot for the operation that is due, or none and remembers it.
  Turn* Take(Nanos due) {
    std::lock_guard<std::mutex> lock(mu_);
    if (resting_.empty()) {
      overdue_.push_back(due);
      return nullptr;
    }
    Turn* t = resting_.back();
    resting_.pop_back();
    return t;
  }

  std::mutex mu_;
  std::vector<Turn*> resting_;
  std::deque<Nanos> overdue_;
  std::atomic<bool> halted_{false};
};
