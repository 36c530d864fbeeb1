// <neume/execution.hpp>: threads are base's; the libraries that choose instructions by the machine are held back here.

#include <neume/execution.hpp>

#include <hwy/highway.h>
#include <hwy/targets.h>
#include <oneapi/dnnl/dnnl.h>

#include <cstdint>

#include <neume/error.hpp>

#include "base/parallel.hpp"

namespace neume {

namespace {

/// oneDNN first: it is the one that may refuse.
void limit(dnnl_cpu_isa_t isa, std::int64_t target) {
  if (dnnl_set_max_cpu_isa(isa) != dnnl_success) {
    throw InvalidArgument("limit_instruction_set: expected before any work, found matrix products already in use");
  }
  hwy::DisableTargets(target - 1);  // targets are single bits, the better the lower: those below are better
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
      return limit(dnnl_cpu_isa_avx2, HWY_AVX2);
    case InstructionSet::avx512:
      return limit(dnnl_cpu_isa_avx512_core, HWY_AVX3);
  }
  throw InvalidArgument("limit_instruction_set: an instruction set that has no name");
}

}  // namespace neume
