// What this process has taken from the machine.
#pragma once

#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>

struct Usage {
  int64_t cpu = 0;       // nanoseconds, user and system
  int64_t resident = 0;  // bytes of memory
};

inline Usage UsageOfSelf() {
  Usage u;
  rusage r;
  if (getrusage(RUSAGE_SELF, &r) == 0) {
    u.cpu = (r.ru_utime.tv_sec + r.ru_stime.tv_sec) * int64_t{1000000000} +
            (r.ru_utime.tv_usec + r.ru_stime.tv_usec) * int64_t{1000};
  }
  if (std::FILE* f = std::fopen("/proc/self/statm", "r")) {
    long size = 0, pages = 0;
    if (std::fscanf(f, "%ld %ld", &size, &pages) == 2) u.resident = pages * sysconf(_SC_PAGESIZE);
    std::fclose(f);
  }
  return u;
}

// GiveBack returns unused memory to the system.
inline void GiveBack() { malloc_trim(0); }
