#pragma once
// What neume serve takes.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "console.hpp"
#include "serve/log_level.hpp"

namespace neume::app {

struct ServeSettings {
  static constexpr std::string_view kName = "serve";
  static constexpr std::string_view kHelp = "Answer ranking requests over HTTP, and take in events and new items";
  static constexpr std::string_view kExample =
      "neume serve --model runs/mcca --codebooks runs/codebooks --store events";
  static constexpr std::string_view kNotes =
      "docs/serving.md tells what can be asked; so does http://ADDRESS:PORT/openapi.json. Several servers may share a\n"
      "Redis; a folder has one server. Without --tokens everybody who can connect may do everything, so other "
      "addresses\n"
      "than loopback need them: echo TOKEN | neume serve --hash-token write >> tokens. SIGTERM or SIGINT ends it when\n"
      "what it accepted is answered.";

  std::string model;
  std::string codebooks;
  std::vector<std::string> variants;
  std::string experiment = "default";
  std::string store = "neume-store";
  std::string address = "127.0.0.1";
  std::uint16_t port = 8080;
  std::string tokens;
  std::string hash_token;
  std::string exposures;
  std::string warm_up;
  std::size_t history = 0;
  std::size_t max_candidates = 10'000;
  std::size_t queue = 64;
  serve::LogLevel log_level = serve::LogLevel::info;

  template <class Visitor>
  void describe(Visitor&& visit) {
    visit.text("model", model, "folder of neume train, or of a run with one ranker; this or --variant is required");
    visit.text("codebooks", codebooks,
               "folder of neume fit that made the model's semantic IDs, so that new items may come as embeddings; "
               "default: that of the run");
    visit.repeated(
        "variant", variants,
        "NAME=DIR:SHARE or NAME=DIR,CODEBOOKS:SHARE instead of --model; repeat it for every variant of an experiment");
    visit.text("experiment", experiment, "with the user's id, decides the variant");
    visit.text("store", store, "folder, or redis://[[user]:password@]host[:port][/database]: events and new items");
    visit.text("address", address, "address to listen on");
    visit.number("port", port, {0, 65535}, "port to listen on; 0: any free one, which is printed");
    visit.text("tokens", tokens, "file of the tokens that clients must have; required off loopback");
    visit.text("hash-token", hash_token,
               "do nothing but read a token and print its line for --tokens; read|write|admin");
    visit.text("exposures", exposures, "folder for what was ranked for whom, and for events: what neume ab reads");
    visit.text("warm-up", warm_up, "file with a body of POST /v1/rank a line, answered before a model is ready");
    visit.number("history", history, {0, 100000},
                 "items of a history that count, the newest; 0: as many as in training");
    visit.number("max-candidates", max_candidates, {1, 1e6}, "candidates of a request");
    visit.number("queue", queue, {1, 1e6}, "requests that may wait; further ones are told to come again (429)");
    visit.choice("log-level", log_level, serve::kLogLevelNames,
                 "lines of the log on standard error, from this level on");
  }
};

int run(const ServeSettings& settings, Console& console);

}  // namespace neume::app
