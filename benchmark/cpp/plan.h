// What a client shall do, and what it reports.
#pragma once

#include <cstdio>
#include <stdexcept>
#include <string>

#include "flags.h"
#include "histogram.h"

// Plan is Go's load.Plan.
struct Plan {
  std::string mode = "unary";
  int conns = 1;
  int streams = 1;
  int size = 32;
  double rate = 0;
  Nanos warmup = std::chrono::milliseconds(500);
  Nanos duration = std::chrono::seconds(3);

  bool Idle() const { return mode == "idle-streams" || mode == "idle-conns"; }

  // Check throws at what makes no sense.
  void Check() const {
    bool known = Idle() || mode == "unary" || mode == "pingpong" || mode == "down" || mode == "up";
    if (!known) throw std::invalid_argument("no mode " + mode);
    if (conns < 1 || streams < 1 || size < 0 || rate < 0 || warmup < Nanos(0)) {
      throw std::invalid_argument("counts are at least 1, the rest not negative");
    }
    if (rate > 0 && (mode == "down" || Idle())) throw std::invalid_argument("mode " + mode + " has no rate");
    if (duration <= Nanos(0) && !Idle()) throw std::invalid_argument("a duration that measures nothing");
  }

  // Stride is how many messages are measured together, see the Go program.
  unsigned Stride() const { return rate == 0 && (mode == "down" || mode == "up") && size <= 16 << 10 ? 16 : 1; }
};

// Outcome is what was measured.
struct Outcome {
  Counts counts;       // of operations in the measured time, or what is held
  uint64_t total = 0;  // with warm-up
  Nanos wall{0};
  double cpu = 0;    // nanoseconds
  double bytes = 0;  // of what is held, resident
};

// Print prints Go's load.Report. Allocations cannot be known here.
inline void Print(const Plan& p, const Outcome& o) {
  double n = static_cast<double>(o.counts.Total());
  double per_s = n * 1e9 / static_cast<double>(std::max<int64_t>(o.wall.count(), 1));
  double each = 1 / std::max(n, 1.0);
  std::printf(
      "{\"mode\":\"%s\",\"ops\":%.0f,\"ops_per_s\":%.9g,\"ops_total\":%.0f,\"mb_per_s\":%.9g,\"p50_us\":%.9g,"
      "\"p99_us\":%.9g,\"p999_us\":%.9g,\"cpu_us_per_op\":%.9g,\"allocs_per_op\":0,\"bytes_per_op\":%.9g,"
      "\"goroutines\":0}\n",
      p.mode.c_str(), n, per_s, static_cast<double>(o.total), per_s * p.size / 1e6, o.counts.Quantile(.5) / 1e3,
      o.counts.Quantile(.99) / 1e3, o.counts.Quantile(.999) / 1e3, o.cpu / 1e3 * each, o.bytes * each);
  std::fflush(stdout);
}
