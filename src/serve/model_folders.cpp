#include "serve/model_folders.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include <neume/error.hpp>

#include "base/file.hpp"

namespace neume::serve {

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::size_t kMostNamed = 12;  // rankers that a message names

/// The finished rankers of a run: RUN/rankers/NAME/seed-S.
std::vector<fs::path> rankers_of(const fs::path& run) {
  std::vector<fs::path> rankers;
  for (const auto& ranker : fs::directory_iterator(run / "rankers")) {
    if (!ranker.is_directory()) continue;
    for (const auto& seed : fs::directory_iterator(ranker)) {
      if (fs::exists(seed.path() / "manifest.json")) rankers.push_back(seed.path());
    }
  }
  std::ranges::sort(rankers);
  return rankers;
}

fs::path only_ranker(const fs::path& run) {
  std::vector<fs::path> rankers = rankers_of(run);
  if (rankers.empty()) {
    throw DataError(fmt::format("{}: a run without a finished ranker; expected one in {}/rankers/NAME/seed-S",
                                run.string(), run.string()));
  }
  if (rankers.size() == 1) return rankers.front();
  std::vector<std::string> names(std::min(rankers.size(), kMostNamed));
  std::transform(rankers.begin(), rankers.begin() + static_cast<std::ptrdiff_t>(names.size()), names.begin(),
                 [](const fs::path& ranker) { return ranker.string(); });
  const std::size_t more = rankers.size() - names.size();
  throw InvalidArgument(fmt::format("{}: a run with {} rankers: give the folder of one of them: {}{}", run.string(),
                                    rankers.size(), fmt::join(names, ", "),
                                    more == 0 ? "" : fmt::format(" and {} more", more)));
}

/// A ranker's name as its folder has it: "a / b" is "a, b" (neume compare's grids).
std::string folder_name(std::string name) {
  for (std::size_t at = name.find(" / "); at != std::string::npos; at = name.find(" / ", at)) name.replace(at, 3, ", ");
  return name;
}

/// The codebooks of RUN/rankers/NAME/seed-S, by the run's config.json; empty where it is not part of a run.
fs::path codebooks_of(const fs::path& ranker) {
  const fs::path whole = fs::weakly_canonical(ranker);
  const fs::path of_name = whole.parent_path(), run = of_name.parent_path().parent_path();
  if (of_name.parent_path().filename() != "rankers" || !fs::exists(run / "config.json")) return {};
  try {
    const json config = json::parse(base::read_file(run / "config.json"));
    for (const json& entry : config.at("ranker")) {
      if (folder_name(entry.at("name")) != of_name.filename() || !entry.contains("quantizer")) continue;
      fs::path codebooks = run / "quantizers" / entry.at("quantizer").get<std::string>();
      if (fs::exists(codebooks / "manifest.json")) return codebooks;
    }
  } catch (const json::exception& error) {
    throw DataError(fmt::format("{}: not the configuration of a run: {}; give the codebooks' folder",
                                (run / "config.json").string(), error.what()));
  }
  return {};
}

}  // namespace

ModelFolders locate(const ModelFolders& folders) {
  if (!fs::is_directory(folders.model)) {
    throw DataError(fmt::format("{}: no such folder; expected that of a ranker (neume train) or of a run (neume run)",
                                folders.model.string()));
  }
  ModelFolders found = folders;
  if (fs::is_directory(folders.model / "rankers")) found.model = only_ranker(folders.model);
  if (found.codebooks.empty()) found.codebooks = codebooks_of(found.model);
  return found;
}

}  // namespace neume::serve
