#include "json_file.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <neume/error.hpp>

#include "base/file.hpp"

namespace neume::app {

Json read_json(const std::filesystem::path& path) {
  const std::string text = base::read_file(path);
  try {
    return Json::parse(text);
  } catch (const Json::exception& error) {
    throw DataError(fmt::format("{}: expected JSON: {}", path.string(), error.what()));
  }
}

void write_json(const std::filesystem::path& path, const Json& json) {
  base::write_file(path, json.dump(2) + "\n");
}

void check_writable(const std::filesystem::path& path) {
  std::error_code status;
  // A new file takes the place of what is there, which must not be a device.
  if (std::filesystem::exists(path, status) && !std::filesystem::is_regular_file(path, status)) {
    throw DataError(fmt::format("{}: expected a file to write, found a folder or a device", path.string()));
  }
  std::filesystem::path folder = std::filesystem::absolute(path).parent_path();
  while (!std::filesystem::exists(folder, status) && folder.has_relative_path()) folder = folder.parent_path();
  if (!std::filesystem::is_directory(folder, status)) {
    throw DataError(fmt::format("{}: cannot write there: {} is not a folder", path.string(), folder.string()));
  }
  if (access(folder.c_str(), W_OK | X_OK) != 0) {
    throw DataError(
        fmt::format("{}: cannot write there: no permission to write in {}", path.string(), folder.string()));
  }
}

}  // namespace neume::app
