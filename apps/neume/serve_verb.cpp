// neume serve.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <iostream>
#include <memory>

#include <neume/error.hpp>

#include "base/parallel.hpp"
#include "http/server.hpp"
#include "serve/item_follower.hpp"
#include "serve/service.hpp"
#include "serve_settings.hpp"
#include "settings.hpp"
#include "stop_signal.hpp"
#include "store/open_store.hpp"

namespace neume::app {

namespace {

constexpr std::chrono::milliseconds kFollowPause{500};
constexpr std::array<std::string_view, 3> kScopeNames{"read", "write", "admin"};

int print_token_line(const std::string& scope, Console& console) {
  const auto* found = std::ranges::find(kScopeNames, scope);
  if (found == kScopeNames.end()) {
    throw InvalidArgument(fmt::format("--hash-token: expected read, write or admin, found {}", scope));
  }
  std::string token;
  if (!std::getline(std::cin, token)) throw InvalidArgument("--hash-token: expected a token on standard input");
  console.print(serve::Access::line_of(token, static_cast<serve::Scope>(found - kScopeNames.begin()), ""));
  return 0;
}

bool is_loopback(const std::string& address) {
  return address == "::1" || address == "localhost" || address.starts_with("127.");
}

serve::Access access_of(const ServeSettings& settings) {
  if (!settings.tokens.empty()) return serve::Access::from_file(settings.tokens);
  if (is_loopback(settings.address)) return serve::Access::open();
  throw InvalidArgument(fmt::format(
      "--tokens is required to listen on {}, which is not loopback; neume serve --hash-token makes its lines",
      settings.address));
}

std::vector<serve::Variant> variants_of(const ServeSettings& settings) {
  if (settings.variants.empty()) {
    require_flag(settings.model, "--model");
    return {{"default", {settings.model, settings.codebooks}, 1.0}};
  }
  if (!settings.model.empty() || !settings.codebooks.empty()) {
    throw InvalidArgument("--variant takes the place of --model and --codebooks; give one or the other");
  }
  std::vector<serve::Variant> variants;
  for (const std::string& text : settings.variants) variants.push_back(serve::Variant::parse(text));
  return variants;
}

http::ServerOptions server_options(const ServeSettings& settings) {
  http::ServerOptions options;
  options.address = settings.address == "localhost" ? "127.0.0.1" : settings.address;
  options.port = settings.port;
  options.queue = settings.queue;
  // One more than cores: loading a model takes a worker for as long as it lasts, and rankings must go on beside it.
  options.workers = base::num_threads() + 1;
  return options;
}

/// The logs that neume ab reads, where they are asked for.
struct AnalysisLogs {
  explicit AnalysisLogs(const std::string& folder) {
    if (folder.empty()) return;
    const serve::RotatingLogOptions options{.folder = folder};
    exposures = std::make_unique<serve::ExposureLog>(options);
    events = std::make_unique<serve::EventLog>(options);
  }
  std::unique_ptr<serve::ExposureLog> exposures;
  std::unique_ptr<serve::EventLog> events;
};

std::string ready_text(const ServeSettings& settings, const serve::Models& models, std::uint16_t port) {
  const bool is_v6 = settings.address.find(':') != std::string::npos;
  std::string text =
      fmt::format("listening on http://{}:{}", is_v6 ? fmt::format("[{}]", settings.address) : settings.address, port);
  for (const auto& model : models.status()) {
    const std::string name = settings.variants.empty() ? "model" : fmt::format("variant {}", model.variant);
    text += fmt::format(", {} {} version {}", name, model.folder.string(), model.version);
  }
  const bool is_folder = settings.store.find("://") == std::string::npos;  // a URL may hold a password
  return fmt::format("{}, store {}", text,
                     is_folder ? settings.store : settings.store.substr(0, settings.store.find(':')));
}

}  // namespace

int run(const ServeSettings& settings, Console& console) {
  if (!settings.hash_token.empty()) return print_token_line(settings.hash_token, console);
  const serve::Access access = access_of(settings);
  const std::vector<serve::Variant> variants = variants_of(settings);
  StopSignal stop_signal;
  serve::RequestLog log(settings.log_level);
  serve::Metrics metrics;
  const auto plain_store = store::open_store(settings.store, {});
  serve::MeasuredStore store(*plain_store, metrics);
  const AnalysisLogs logs(settings.exposures);
  serve::Service service({store, access, metrics, log, logs.exposures.get(), logs.events.get()},
                         {settings.history, settings.max_candidates, settings.experiment});
  std::unique_ptr<serve::Models> models;  // the server's last answers still need them
  // It listens before they are loaded: a port that is taken is found out at once, and probes are answered meanwhile.
  http::Server server(server_options(settings), service);
  service.watch(&server);
  serve::ReadinessOptions readiness{.experiment = settings.experiment, .recorded = settings.warm_up};
  readiness.answer = [&](serve::ServedModel& model, const std::string& body) { service.warm_up(model, body); };
  models = std::make_unique<serve::Models>(variants, readiness, store);
  const serve::ItemFollower follower(store, *models, log, kFollowPause);
  service.open(*models);
  stop_signal.ready();
  console.print(ready_text(settings, *models, server.port()));
  for (const std::string& warning : store.warnings()) log.event(serve::LogLevel::warn, warning);
  stop_signal.wait();
  server.stop();
  service.watch(nullptr);
  return 0;
}

}  // namespace neume::app
