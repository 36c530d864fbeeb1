#pragma once
// The models that a server answers with: one, or several variants side by side, each of which can be replaced by a
// newer one, and put back, while requests are answered.

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "serve/served_model.hpp"
#include "store/store.hpp"

namespace neume::serve {

/// NAME=DIR:SHARE on the command line, or NAME=DIR,CODEBOOKS:SHARE. Without --variant there is one, "default", with
/// share 1.
struct Variant {
  std::string name;
  ModelFolders folders;
  double share = 1.0;  ///< of users, relative to the others' shares

  /// Throws InvalidArgument where `text` is no NAME=DIR:SHARE. A name has letters, digits, '_', '-' and '.'.
  static Variant parse(const std::string& text);
};

/// What a model must show before it answers: requests that are run through it, to fill caches and to see that it
/// scores.
struct ReadinessOptions {
  std::string experiment = "default";  ///< with the user's id, decides the variant
  std::size_t canaries = 32;           ///< requests made from the model's own histories
  std::filesystem::path recorded;      ///< further ones: a line a request, as POST /v1/rank takes it; may be empty
  /// Answers a recorded request with a model; throws where it cannot. Needed where there are recorded ones.
  std::function<void(ServedModel& model, const std::string& body)> answer = {};
};

/// Where a user stands in an experiment, in [0, 1): XXH3 of "EXPERIMENT\0USER" over 2^64. The variants' shares, one
/// after the other in the order in which they were given, cut this interval.
double user_place(std::string_view experiment, std::string_view user_id);

class Models {
 public:
  struct Chosen {
    std::shared_ptr<ServedModel> model;
    std::string variant;
  };
  struct Status {
    std::string variant;
    double share = 0.0;
    std::string version;
    std::string previous_version;  ///< that restore() would bring back; empty: none
    std::filesystem::path folder;
  };

  /// Loads, verifies and warms up every variant. Reads no items from the store: they come through add_item. Throws as
  /// ServedModel::load, DataError where a canary fails, InvalidArgument for two variants of one name, no variant, a
  /// share that is not positive.
  Models(const std::vector<Variant>& variants, ReadinessOptions options, store::Store& store);
  ~Models();

  /// The variant of a user: the same on every server and after every restart, by a hash of user and experiment. A user
  /// without a name is of the first one. Never waits for a model that is being loaded.
  Chosen choose(std::string_view user_id) const;

  /// Loads another folder beside the present one, verifies it on the canaries, gives it the items of the store, then
  /// swaps it in; requests that began with the old one end with it. On any error (of the store, too) the present one
  /// stays. One at a time: InvalidArgument where another swap is under way, or there is no such variant. Returns the
  /// new version. Memory: three models of the variant while it lasts, where there is a previous one.
  std::string swap(const std::string& variant, const ModelFolders& folders);

  /// Brings the one before back, which was kept in memory; the present one becomes the one before. InvalidArgument
  /// where there is none.
  std::string restore(const std::string& variant);

  std::vector<Status> status() const;

  /// Makes an item known to every model, the ones before too; called with what the store holds and with new ones.
  /// Returns the variants whose present model can make no codes of it, and goes without it.
  std::vector<std::string> add_item(const store::StoredItem& item);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace neume::serve
