#include "stage.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <string>

#include <neume/error.hpp>

#include "base/file.hpp"

namespace neume::app {

namespace {

constexpr const char* kFormat = "neume-stage";
constexpr const char* kStageFile = "stage.json";
constexpr const char* kFingerprint = "fingerprint";

/// The JSON at `path`, or null where there is none that can be read: then the work is simply done again.
Json read_or_null(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) return nullptr;
  try {
    return read_json(path);
  } catch (const DataError&) {
    return nullptr;
  }
}

/// Whether nothing is there but what a killed write left beside its target.
bool is_as_good_as_empty(const std::filesystem::path& folder) {
  return std::ranges::all_of(std::filesystem::directory_iterator(folder), [](const auto& entry) {
    return entry.path().filename().string().find(".tmp-") != std::string::npos;
  });
}

bool has_fingerprint(const Json& json, const std::string& expected) {
  return json.is_object() && json.contains(kFingerprint) && json.at(kFingerprint) == expected;
}

}  // namespace

std::string fingerprint_of(const Json& json) {
  const std::string text = json.dump();
  return base::fingerprint(std::as_bytes(std::span(text)));
}

Stage::Stage(std::filesystem::path folder, const Json& inputs)
    : folder_(std::move(folder)),
      inputs_({{"neume", NEUME_VERSION}, {"inputs", inputs}}),
      fingerprint_(fingerprint_of(inputs_)) {}

bool Stage::is_up_to_date() const {
  const Json record = read_or_null(folder_ / kStageFile);
  return has_fingerprint(record, fingerprint_) && record.value("finished", false);
}

void Stage::begin() const {
  const Json record = read_or_null(folder_ / kStageFile);
  if (has_fingerprint(record, fingerprint_) && !record.value("finished", true)) return;
  if (std::filesystem::exists(folder_)) {
    const bool is_ours = record.is_object() && record.value("format", "") == kFormat;
    if (!is_ours && !is_as_good_as_empty(folder_)) {
      throw DataError(fmt::format(
          "{}: holds files that neume run did not write; move them away or choose another --out", folder_.string()));
    }
    std::filesystem::remove_all(folder_);
  }
  write(false);
}

void Stage::finish() const {
  write(true);
}

void Stage::write(bool is_finished) const {
  write_json(folder_ / kStageFile, {{"format", kFormat},
                                    {"version", 1},
                                    {kFingerprint, fingerprint_},
                                    {"finished", is_finished},
                                    {"depends_on", inputs_}});
}

Json cached_json(const std::filesystem::path& path, const Json& inputs, const std::function<Json()>& compute,
                 bool* was_fresh) {
  const std::string fingerprint = fingerprint_of({{"neume", NEUME_VERSION}, {"inputs", inputs}});
  Json json = read_or_null(path);
  const bool is_fresh = has_fingerprint(json, fingerprint);
  if (was_fresh != nullptr) *was_fresh = is_fresh;
  if (is_fresh) return json;
  json = compute();
  json[kFingerprint] = fingerprint;
  write_json(path, json);
  return json;
}

}  // namespace neume::app
