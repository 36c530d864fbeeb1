#pragma once
// How much a server logs.

#include <neume/options.hpp>

namespace neume::serve {

enum class LogLevel { info, warn, error, off };
inline constexpr ChoiceNames<4> kLogLevelNames{"info", "warn", "error", "off"};

}  // namespace neume::serve
