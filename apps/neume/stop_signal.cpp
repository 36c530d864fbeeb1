#include "stop_signal.hpp"

#include <pthread.h>

#include <csignal>
#include <cstdlib>

namespace neume::app {

namespace {

sigset_t stop_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

}  // namespace

StopSignal::StopSignal() {
  const sigset_t signals = stop_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  listener_ = std::thread([this] { listen(); });
}

StopSignal::~StopSignal() {
  {
    const std::lock_guard lock(mutex_);
    is_over_ = true;
  }
  pthread_kill(listener_.native_handle(), SIGTERM);
  listener_.join();
}

void StopSignal::ready() {
  const std::lock_guard lock(mutex_);
  is_ready_ = true;
}

void StopSignal::wait() {
  stop_.get_future().wait();
}

void StopSignal::listen() {
  const sigset_t signals = stop_signals();
  bool was_told = false;
  while (true) {
    int signal = 0;
    sigwait(&signals, &signal);
    const std::lock_guard lock(mutex_);
    if (is_over_) return;
    if (!is_ready_ || was_told) std::_Exit(128 + signal);
    was_told = true;
    stop_.set_value();
  }
}

}  // namespace neume::app
