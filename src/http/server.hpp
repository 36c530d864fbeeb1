#pragma once
// HTTP/1.1 with keep-alive on loopback or any other address: reads requests within limits, queues them for a few
// workers, answers. What it cannot take it refuses with the right status; nothing that a client sends makes it crash,
// wait for ever or grow without bound.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "http/message.hpp"

namespace neume::http {

struct ServerOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 8080;             ///< 0: any free one
  std::size_t workers = 0;               ///< threads that make answers; 0: one a core
  std::size_t queue = 64;                ///< requests that may wait for a worker; further ones get 429 with Retry-After
  std::size_t connections = 1024;        ///< open at once; further ones get 503 and are closed
  std::size_t header_bytes = 16 << 10;   ///< 431
  std::size_t body_bytes = 8 << 20;      ///< 413
  std::size_t bodies_bytes = 256 << 20;  ///< of all requests that are being read, wait or are worked on; beyond it 503
  double read_seconds = 10.0;            ///< for a request to arrive whole, from its first byte; 408. Also for a new
                                         ///< connection's first byte; then closed silently
  double idle_seconds = 60.0;            ///< between requests of a connection; closed silently
  double write_seconds = 10.0;           ///< for an answer to leave; closed
  double queue_seconds = 2.0;            ///< that a request may wait for a worker; then 503 with Retry-After
  double stop_seconds = 20.0;            ///< that stop() waits for accepted requests
};

/// What it is doing now.
struct ServerState {
  std::size_t connections = 0;
  std::size_t queued = 0;   ///< requests that wait
  std::size_t working = 0;  ///< requests that a worker has
};

class Server {
 public:
  /// Listens. `handler` must outlive it. Throws InvalidArgument where the address is none, is not this machine's, or is
  /// taken.
  Server(const ServerOptions& options, Handler& handler);
  /// Stops, and waits for answers that workers still make.
  ~Server();

  std::uint16_t port() const;
  ServerState state() const;

  /// Takes no more connections, answers what has been accepted (with Connection: close), closes idle connections (a
  /// moment later: a request may be on its way), and returns when all are closed; after stop_seconds it closes them.
  /// May be called from any thread but the handler's, more than once.
  void stop();

 private:
  class Core;
  std::unique_ptr<Core> core_;
};

}  // namespace neume::http
