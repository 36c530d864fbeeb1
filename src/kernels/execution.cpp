// <neume/execution.hpp>: threads are base's; the libraries that choose instructions by the machine are held back here.

#include <neume/execution.hpp>

#include <hwy/highway.h>
#include <hwy/targets.h>
#include <oneapi/dnnl/dnnl.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include <neume/error.hpp>

#include "base/parallel.hpp"
#include "kernels/instruction_limit.hpp"

namespace neume {

namespace {

constexpr int kUnlimited = static_cast<int>(InstructionSet::avx512) + 1;

/// What limit_instruction_set() was called with.
std::atomic<int> limit_of_process = kUnlimited;

int limit_of_environment() {
  const char* name = std::getenv("NEUME_MAX_ISA");
  if (name == nullptr || *name == '\0') return kUnlimited;
  return static_cast<int>(std::string_view(name) == "avx2" ? InstructionSet::avx2 : InstructionSet::avx512);
}

/// oneDNN first: it is the one that may refuse.
void limit(InstructionSet set, dnnl_cpu_isa_t isa, std::int64_t target) {
  if (dnnl_set_max_cpu_isa(isa) != dnnl_success) {
    throw InvalidArgument("limit_instruction_set: expected before any work, found matrix products already in use");
  }
  hwy::DisableTargets(target - 1);  // targets are single bits, the better the lower: those below are better
  limit_of_process = static_cast<int>(set);
}

}  // namespace

void set_num_threads(std::size_t count) {
  base::set_num_threads(count);
}

std::size_t num_threads() {
  return base::num_threads();
}

void limit_instruction_set(InstructionSet set) {
  switch (set) {
    case InstructionSet::avx2:
      return limit(set, dnnl_cpu_isa_avx2, HWY_AVX2);
    case InstructionSet::avx512:
      return limit(set, dnnl_cpu_isa_avx512_core, HWY_AVX3);
  }
  throw InvalidArgument("limit_instruction_set: an instruction set that has no name");
}

std::optional<InstructionSet> kernels::instruction_limit() {
  static const int from_environment = limit_of_environment();
  const int limit = std::min<int>(from_environment, limit_of_process);
  if (limit == kUnlimited) return std::nullopt;
  return static_cast<InstructionSet>(limit);
}

}  // namespace neume
