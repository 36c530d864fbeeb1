// Any text as the file of neume run, of neume compare and as --config of some verbs: refused with an error of ours, or
// read. The first byte says as which.

#include <array>
#include <cstdint>
#include <string>

#include <neume/error.hpp>

#include "input_file.hpp"
#include "run_plan.hpp"
#include "settings.hpp"
#include "toml_reader.hpp"

namespace {

using namespace neume::app;  // NOLINT: a program of one file

template <class Settings>
void read_config(const std::string& file) {
  const toml::table table = parse_toml(file);
  Settings settings;
  TomlReader reader(table, file, "");
  settings.describe(reader);
  reader.finish();
}

void read_run(const std::string& file) {
  RunSettings settings;
  settings.file = file;
  static_cast<void>(read_run_plan(settings).resolved().dump(-1, ' ', false, Json::error_handler_t::replace));
}

void read_compare(const std::string& file) {
  CompareSettings settings;
  settings.run.file = file;
  static_cast<void>(read_compare_plan(settings).resolved().dump(-1, ' ', false, Json::error_handler_t::replace));
}

constexpr std::array kReaders{read_run,
                              read_compare,
                              read_config<FitSettings>,
                              read_config<EncodeSettings>,
                              read_config<SweepSettings>,
                              read_config<TrainSettings>};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const neume::fuzz::InputFile input(data + 1, size - 1);
  try {
    kReaders[data[0] % kReaders.size()](input.path());
  } catch (const neume::DataError&) {
  } catch (const neume::InvalidArgument&) {
  }
  return 0;
}
