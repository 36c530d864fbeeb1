// The verb info.

#include <duckdb.h>
#include <fmt/format.h>
#include <oneapi/dnnl/dnnl.h>

#include "base/parallel.hpp"
#include "instruction_set.hpp"
#include "settings.hpp"
#include "text_table.hpp"

namespace neume::app {

int run(const InfoSettings&, Console& console) {
  const dnnl_version_t* dnnl = dnnl_version();
  TextTable table({"neume", NEUME_VERSION}, 2);
  table.add({"build", NEUME_BUILD_TYPE});
  table.add({"compiler", "g++ " __VERSION__});
  table.add({"vector instructions", highway_target() + " (Highway)"});
  table.add({"matrix products",
             fmt::format("{} (oneDNN {}.{}.{})", onednn_instruction_set(), dnnl->major, dnnl->minor, dnnl->patch)});
  table.add({"threads", fmt::format("{} of {} cores", base::num_threads(), base::available_cores())});
  table.add({"DuckDB", duckdb_library_version()});
  console.print(table.plain());
  return 0;
}

}  // namespace neume::app
