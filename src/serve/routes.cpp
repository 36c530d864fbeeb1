#include "serve/routes.hpp"

#include <array>
#include <optional>

namespace neume::serve {

namespace {

constexpr bool kNoToken = false;
constexpr bool kToken = true;
constexpr bool kAtOnce = true;

constexpr std::array kRoutes{
    Route{"POST", "/v1/rank", Action::rank, Scope::read},
    Route{"POST", "/v1/events", Action::events, Scope::write},
    Route{"POST", "/v1/items", Action::put_item, Scope::write},
    Route{"GET", "/v1/items/{id}", Action::get_item, Scope::read},
    Route{"GET", "/v1/similar/{id}", Action::similar, Scope::read},
    Route{"POST", "/v1/encode", Action::encode, Scope::read},
    Route{"GET", "/v1/models", Action::list_models, Scope::admin},
    Route{"POST", "/v1/models", Action::swap_model, Scope::admin},
    Route{"POST", "/v1/models/restore", Action::restore_model, Scope::admin},
    Route{"GET", "/healthz", Action::alive, Scope::read, kNoToken, kAtOnce},
    Route{"GET", "/readyz", Action::ready, Scope::read, kNoToken, kAtOnce},
    Route{"GET", "/metrics", Action::metrics, Scope::read, kToken, kAtOnce},
    Route{"GET", "/openapi.json", Action::openapi, Scope::read, kToken, kAtOnce},
    Route{"GET", "/v2", Action::v2_server, Scope::read, kNoToken, kAtOnce},
    Route{"GET", "/v2/health/live", Action::v2_live, Scope::read, kNoToken, kAtOnce},
    Route{"GET", "/v2/health/ready", Action::v2_ready, Scope::read, kNoToken, kAtOnce},
    Route{"GET", "/v2/models/{model}/ready", Action::v2_model_ready, Scope::read, kNoToken, kAtOnce},
    Route{"POST", "/v2/models/{model}/infer", Action::v2_infer, Scope::read},
    Route{"GET", "/v2/models/{model}", Action::v2_model, Scope::read, kToken, kAtOnce},
};

/// The parameter's text ("" where the pattern has none), or nothing where the path is another one.
std::optional<std::string> fit(std::string_view pattern, std::string_view path) {
  const std::size_t open = pattern.find('{');
  if (open == std::string_view::npos) return pattern == path ? std::optional<std::string>("") : std::nullopt;
  const std::string_view before = pattern.substr(0, open), after = pattern.substr(pattern.find('}') + 1);
  if (path.size() <= before.size() + after.size() || !path.starts_with(before) || !path.ends_with(after)) return {};
  return std::string(path.substr(before.size(), path.size() - before.size() - after.size()));
}

}  // namespace

std::span<const Route> routes() {
  return kRoutes;
}

RouteMatch match_route(std::string_view method, std::string_view path) {
  RouteMatch match;
  for (const Route& route : kRoutes) {
    auto parameter = fit(route.pattern, path);
    if (!parameter) continue;
    if (route.method == method) return {&route, std::move(*parameter), {}};
    match.allowed += (match.allowed.empty() ? "" : ", ") + std::string(route.method);
  }
  return match;
}

}  // namespace neume::serve
