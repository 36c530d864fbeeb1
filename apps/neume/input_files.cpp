#include "input_files.hpp"

#include <fmt/format.h>
#include <glob.h>

#include <span>
#include <vector>

#include <neume/error.hpp>

#include "base/file.hpp"
#include "data/table_source.hpp"

namespace neume::app {

namespace {

std::vector<std::string> files_of(const std::string& path) {
  if (path.find_first_of("*?[") == std::string::npos) return {path};
  glob_t found{};
  const int status = glob(path.c_str(), 0, nullptr, &found);
  std::vector<std::string> files(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  globfree(&found);
  if (status != 0 || files.empty()) throw DataError(fmt::format("{}: no such files; check the path", path));
  return files;
}

}  // namespace

std::string fingerprint_of_source(const std::string& source) {
  std::string parts;
  const std::vector<std::string> files = files_of(data::SourcePath::parse(source).path);
  for (const std::string& file : files) parts += base::fingerprint_of_file(file);
  return files.size() == 1 ? parts : base::fingerprint(std::as_bytes(std::span(parts)));
}

Json inputs_of_source(const std::string& source) {
  return {{"expression", data::SourcePath::parse(source).expression}, {"content", fingerprint_of_source(source)}};
}

Json inputs_of_modalities(std::span<const data::ModalitySource> modalities) {
  Json inputs;
  for (const data::ModalitySource& modality : modalities) {
    inputs.push_back({{"name", modality.name}, {"source", inputs_of_source(modality.source)}});
  }
  return inputs;
}

}  // namespace neume::app
