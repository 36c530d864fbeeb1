#pragma once
// Where a model lies on disk: a ranker's folder by itself, or one that neume run or neume compare made.

#include <filesystem>

namespace neume::serve {

/// `model` is a ranker's folder (docs/formats/ranker.md), or that of a run with one ranker. `codebooks` may be empty:
/// those of the run are taken where the ranker is part of one; else the model takes new items by their codes alone.
struct ModelFolders {
  std::filesystem::path model;
  std::filesystem::path codebooks;
};

/// The ranker's own folder and its codebooks. Throws InvalidArgument for a run with several rankers, which it lists,
/// and DataError for a folder that is not there or a run without a ranker.
ModelFolders locate(const ModelFolders& folders);

}  // namespace neume::serve
