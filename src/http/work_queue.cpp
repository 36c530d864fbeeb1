#include "http/work_queue.hpp"

#include <algorithm>
#include <utility>

namespace neume::http {

bool WorkQueue::push(std::shared_ptr<Work> work) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_ || waiting_.size() >= capacity_) return false;
    waiting_.push_back(std::move(work));
  }
  changed_.notify_one();
  return true;
}

std::shared_ptr<Work> WorkQueue::pop() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return closed_ || !waiting_.empty(); });
  if (waiting_.empty()) return nullptr;
  std::shared_ptr<Work> work = std::move(waiting_.front());
  waiting_.pop_front();
  ++working_;
  return work;
}

void WorkQueue::finish() {
  const std::lock_guard lock(mutex_);
  --working_;
}

bool WorkQueue::withdraw(const std::shared_ptr<Work>& work) {
  const std::lock_guard lock(mutex_);
  const auto place = std::find(waiting_.begin(), waiting_.end(), work);
  if (place == waiting_.end()) return false;
  waiting_.erase(place);
  return true;
}

void WorkQueue::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  changed_.notify_all();
}

std::size_t WorkQueue::queued() const {
  const std::lock_guard lock(mutex_);
  return waiting_.size();
}

std::size_t WorkQueue::working() const {
  const std::lock_guard lock(mutex_);
  return working_;
}

}  // namespace neume::http
