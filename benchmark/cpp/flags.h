// Flags as Go's package flag takes them: -name value, --name value, -name=value.
#pragma once

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>

using Nanos = std::chrono::nanoseconds;

// ParseNumber takes all of text or throws.
inline double ParseNumber(const std::string& text) {
  size_t used = 0;
  double value = std::stod(text, &used);
  if (used != text.size()) throw std::invalid_argument("not a number: " + text);
  return value;
}

// ParseDuration takes what Go's time.Duration prints: 300ms, 1.5s, 1m0s, 0s.
inline Nanos ParseDuration(const std::string& text) {
  static const std::map<std::string, double> units = {
      {"ns", 1}, {"us", 1e3}, {"µs", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 6e10}, {"h", 3.6e12}};
  if (text == "0") return Nanos(0);
  double sum = 0;
  size_t at = 0;
  while (at < text.size() || text.empty()) {
    size_t unit = text.find_first_not_of("0123456789.", at);
    size_t next = text.find_first_of("0123456789.", unit);
    if (unit == std::string::npos) throw std::invalid_argument("a duration without a unit: " + text);
    if (next == std::string::npos) next = text.size();
    auto found = units.find(text.substr(unit, next - unit));
    if (found == units.end()) throw std::invalid_argument("not a duration: " + text);
    sum += ParseNumber(text.substr(at, unit - at)) * found->second;
    at = next;
  }
  return Nanos(static_cast<int64_t>(sum));
}

// Flags is what a program takes. What it is told of must outlive Parse.
class Flags {
 public:
  void Add(const char* name, std::string* to) {
    flags_[name] = [to](const std::string& v) { *to = v; };
  }
  void Add(const char* name, int* to) {
    flags_[name] = [to](const std::string& v) { *to = static_cast<int>(ParseNumber(v)); };
  }
  void Add(const char* name, double* to) {
    flags_[name] = [to](const std::string& v) { *to = ParseNumber(v); };
  }
  void Add(const char* name, Nanos* to) {
    flags_[name] = [to](const std::string& v) { *to = ParseDuration(v); };
  }

  // Ignore takes a flag, with its value, that means something to the Go program
  // of the same use.
  void Ignore(const char* name) {
    flags_[name] = [](const std::string&) {};
  }

  // Parse ends the process with status 2, as Go does, if it cannot.
  void Parse(int argc, char** argv) const {
    for (int i = 1; i < argc; i++) {
      std::string name = argv[i], value;
      name.erase(0, name.compare(0, 2, "--") == 0 ? 2 : 1);
      size_t equals = name.find('=');
      auto flag = flags_.find(name.substr(0, equals));
      if (argv[i][0] != '-' || flag == flags_.end()) Refuse(argv, i, "no such flag");
      if (equals != std::string::npos) {
        value = name.substr(equals + 1);
      } else if (++i < argc) {
        value = argv[i];
      } else {
        Refuse(argv, i - 1, "it has no value");
      }
      try {
        flag->second(value);
      } catch (const std::exception& e) {
        Refuse(argv, i, e.what());
      }
    }
  }

 private:
  [[noreturn]] static void Refuse(char** argv, int i, const char* why) {
    std::fprintf(stderr, "%s: %s: %s\n", argv[0], argv[i], why);
    std::exit(2);
  }

  std::map<std::string, std::function<void(const std::string&)>> flags_;
};
