// Durations counted as Go's load.Histogram counts them.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <vector>

constexpr int kSubBits = 6;
constexpr int kSubCount = 1 << kSubBits;
constexpr int kMaxBits = 40;
constexpr int kBuckets = (kMaxBits - kSubBits + 1) * kSubCount;

// Counts is what a histogram held at one moment.
class Counts {
 public:
  Counts() : of_(kBuckets) {}

  uint64_t& operator[](int bucket) { return of_[bucket]; }

  Counts Since(const Counts& before) const {
    Counts diff;
    for (int i = 0; i < kBuckets; i++) diff.of_[i] = of_[i] - before.of_[i];
    return diff;
  }

  uint64_t Total() const {
    uint64_t n = 0;
    for (uint64_t k : of_) n += k;
    return n;
  }

  // Quantile is in nanoseconds.
  double Quantile(double q) const {
    uint64_t total = Total(), n = 0;
    if (total == 0) return 0;
    uint64_t rank = std::clamp<uint64_t>(static_cast<uint64_t>(q * total + 0.5), 1, total);
    for (int i = 0; i < kBuckets; i++) {
      if ((n += of_[i]) >= rank) return Middle(i);
    }
    return Middle(kBuckets - 1);
  }

 private:
  // Middle is what stands for all durations of a bucket.
  static double Middle(int bucket) {
    if (bucket < 2 * kSubCount) return bucket;
    int exp = bucket / kSubCount - 1;
    uint64_t low = static_cast<uint64_t>(bucket - exp * kSubCount) << exp;
    return static_cast<double>(low + (uint64_t{1} << exp) / 2);
  }

  std::vector<uint64_t> of_;
};

// Histogram may be used by any number of threads.
class Histogram {
 public:
  // Add counts a duration in nanoseconds, n times.
  void Add(int64_t d, uint64_t n) { buckets_[BucketOf(d)].fetch_add(n, std::memory_order_relaxed); }

  Counts Load() const {
    Counts c;
    for (int i = 0; i < kBuckets; i++) c[i] = buckets_[i].load(std::memory_order_relaxed);
    return c;
  }

 private:
  static int BucketOf(int64_t d) {
    uint64_t v = std::min<uint64_t>(std::max<int64_t>(d, 0), (uint64_t{1} << kMaxBits) - 1);
    if (v < kSubCount) return static_cast<int>(v);
    int exp = 63 - __builtin_clzll(v) - kSubBits;
    return exp * kSubCount + static_cast<int>(v >> exp);
  }

  std::array<std::atomic<uint64_t>, kBuckets> buckets_{};
};
