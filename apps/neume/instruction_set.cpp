#include "instruction_set.hpp"

#include <fmt/format.h>
#include <hwy/highway.h>
#include <hwy/targets.h>
#include <oneapi/dnnl/dnnl.h>

#include <cstdlib>
#include <string_view>

#include <neume/error.hpp>
#include <neume/execution.hpp>

namespace neume::app {

void limit_instruction_set() {
  const char* wanted = std::getenv("NEUME_MAX_ISA");
  if (wanted == nullptr || *wanted == '\0') return;
  const std::string_view name = wanted;
  if (name == "avx2") {
    neume::limit_instruction_set(InstructionSet::avx2);
  } else if (name == "avx512") {
    neume::limit_instruction_set(InstructionSet::avx512);
  } else {
    throw InvalidArgument(fmt::format("environment variable NEUME_MAX_ISA: expected avx2 or avx512, found {}", name));
  }
}

std::string highway_target() {
  const std::int64_t usable = hwy::SupportedTargets() & HWY_TARGETS;
  return hwy::TargetName(usable & -usable);
}

std::string onednn_instruction_set() {
  switch (dnnl_get_effective_cpu_isa()) {
    case dnnl_cpu_isa_sse41:
      return "SSE4.1";
    case dnnl_cpu_isa_avx:
      return "AVX";
    case dnnl_cpu_isa_avx2:
      return "AVX2";
    case dnnl_cpu_isa_avx2_vnni:
      return "AVX2 VNNI";
    case dnnl_cpu_isa_avx512_core:
      return "AVX-512";
    case dnnl_cpu_isa_avx512_core_vnni:
      return "AVX-512 VNNI";
    case dnnl_cpu_isa_avx512_core_bf16:
      return "AVX-512 BF16";
    case dnnl_cpu_isa_avx512_core_amx:
      return "AVX-512 AMX";
    default:
      return "other";
  }
}

}  // namespace neume::app
