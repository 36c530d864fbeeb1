#pragma once
// Which requests there are.

#include <span>
#include <string>
#include <string_view>

#include "serve/access.hpp"

namespace neume::serve {

/// What a route does; Service has a function for each.
enum class Action {
  rank,
  events,
  put_item,
  encode,
  get_item,
  similar,
  list_models,
  swap_model,
  restore_model,
  alive,
  ready,
  metrics,
  openapi,
  v2_server,
  v2_live,
  v2_ready,
  v2_model,
  v2_model_ready,
  v2_infer
};

struct Route {
  std::string_view method;
  std::string_view pattern;  ///< one part at most may be a {parameter}; it stands for one or more characters
  Action action;
  Scope scope = Scope::read;
  bool needs_token = true;  ///< false: for probes, which have none
  bool at_once = false;     ///< answered in microseconds, on the network thread
};

/// All of them. Of two patterns that fit a path, the first one holds.
std::span<const Route> routes();

/// What was found for a method and a path.
struct RouteMatch {
  const Route* route = nullptr;  ///< nullptr: there is none
  std::string parameter;
  std::string allowed;  ///< where the path is there, but not with this method: the methods it has ("GET, POST")
};

RouteMatch match_route(std::string_view method, std::string_view path);

}  // namespace neume::serve
