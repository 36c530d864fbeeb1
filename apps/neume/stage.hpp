#pragma once
// Stages of a run: when one is up to date, and when its folder must be cleared.

#include <filesystem>
#include <functional>
#include <string>

#include "json_file.hpp"

namespace neume::app {

/// Content hash of a JSON value.
std::string fingerprint_of(const Json& json);

/// A stage that fills a folder. Its `stage.json` holds the fingerprint of everything that the stage depends on, and,
/// from the end of the stage on, that it has finished.
class Stage {
 public:
  /// `inputs`: resolved options and the fingerprints of the input files.
  Stage(std::filesystem::path folder, const Json& inputs);

  bool is_up_to_date() const;

  /// Makes the folder ready: left as it is where the same stage was broken off there, cleared where another one was
  /// there. Throws DataError where the folder holds files that no stage wrote.
  void begin() const;

  /// Marks the stage as finished.
  void finish() const;

  const std::filesystem::path& folder() const { return folder_; }

 private:
  void write(bool is_finished) const;

  std::filesystem::path folder_;
  Json inputs_;
  std::string fingerprint_;
};

/// The JSON at `path` where it was made from the same inputs; otherwise compute()'s, written there. `was_fresh`, where
/// given, tells which. The fingerprint is kept in the file.
Json cached_json(const std::filesystem::path& path, const Json& inputs, const std::function<Json()>& compute,
                 bool* was_fresh = nullptr);

}  // namespace neume::app
