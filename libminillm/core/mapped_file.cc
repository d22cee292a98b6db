#include "libminillm/core/mapped_file.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>

#include "libminillm/core/check.h"
#include "libminillm/core/file_calls.h"
#include "libminillm/core/file_descriptor.h"

namespace minillm {
namespace {

// The maps of this process, for the signal handler: an address of 0 is a free place. Maps beyond
// the last place are not guarded.
struct Place {
  std::atomic<uintptr_t> begin = 0;
  std::atomic<size_t> size = 0;
  std::atomic<bool> cut_off = false;
};
constexpr size_t kPlaces = 1024;
std::array<Place, kPlaces> g_places;
struct sigaction g_before;

Place* take_place(uintptr_t begin, size_t size) {
  for (Place& place : g_places) {
    uintptr_t free = 0;
    if (!place.begin.compare_exchange_strong(free, begin)) continue;
    place.cut_off = false;
    place.size = size;
    return &place;
  }
  return nullptr;
}

// Puts zeros where the file has nothing any more, from the page at fault to the end of the map, and
// goes on. Only calls what a handler may: mmap is a plain system call.
void on_bus_error(int signal, siginfo_t* info, void* context) {
  const auto address = reinterpret_cast<uintptr_t>(info->si_addr);
  for (Place& place : g_places) {
    const uintptr_t begin = place.begin;
    if (begin == 0 || address < begin || address >= begin + place.size) continue;
    const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
    const uintptr_t from = address / page * page;
    void* zeros = mmap(reinterpret_cast<void*>(from), begin + place.size - from, PROT_READ,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (zeros == MAP_FAILED) break;
    place.cut_off = true;
    return;
  }
  if ((g_before.sa_flags & SA_SIGINFO) != 0 && g_before.sa_sigaction != nullptr)
    return g_before.sa_sigaction(signal, info, context);
  sigaction(signal, &g_before, nullptr);
  raise(signal);  // once this handler returns
}

}  // namespace

struct MappedFile::Map {
  FileDescriptor file;  // open, so that it can be asked for its size
  void* data = nullptr;
  size_t size = 0;
  Place* place = nullptr;

  ~Map() {
    if (place != nullptr) {
      place->size = 0;  // first: who takes the place next has no size yet
      place->begin = 0;
    }
    if (data != nullptr) munmap(data, size);
  }
};

MappedFile::MappedFile() = default;
MappedFile::~MappedFile() = default;
MappedFile::MappedFile(MappedFile&&) noexcept = default;
MappedFile& MappedFile::operator=(MappedFile&&) noexcept = default;

MappedFile::MappedFile(const std::string& path)
    : map_(new Map{.file = FileDescriptor::to_read(path)}) {
  map_->size = map_->file.size();
  if (map_->size == 0) return;  // mmap refuses empty maps
  void* memory = file_calls::map(map_->file.get(), path, map_->size);
  if (memory == MAP_FAILED) throw_system_error("file", path, "map");
  map_->data = memory;
  map_->place = take_place(reinterpret_cast<uintptr_t>(memory), map_->size);
}

std::span<const std::byte> MappedFile::bytes() const {
  if (!map_) return {};
  return {static_cast<const std::byte*>(map_->data), map_->size};
}

std::string_view MappedFile::text() const {
  if (!map_) return {};
  return {static_cast<const char*>(map_->data), map_->size};
}

void MappedFile::release(std::span<const std::byte> read) const {
  constexpr uintptr_t kPage = 4096;
  const auto begin = (reinterpret_cast<uintptr_t>(read.data()) + kPage - 1) / kPage * kPage;
  const auto end = reinterpret_cast<uintptr_t>(read.data() + read.size()) / kPage * kPage;
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

void MappedFile::expect_whole() const {
  if (!map_) return;
  const bool cut_off = map_->place != nullptr && map_->place->cut_off;
  MINILLM_CHECK(!cut_off && map_->file.size() >= map_->size,
                "file '{}': became shorter while it was read: expected {} bytes, got {}",
                map_->file.path(), map_->size, map_->file.size());
}

void guard_mapped_files() {
  static const bool kInstalled = [] {
    struct sigaction action = {};
    action.sa_sigaction = on_bus_error;
    action.sa_flags = SA_SIGINFO;
    return sigaction(SIGBUS, &action, &g_before) == 0;
  }();
  static_cast<void>(kInstalled);
}

}  // namespace minillm
