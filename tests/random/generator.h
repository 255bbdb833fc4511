// SPDX-License-Identifier: Apache-2.0
// Inside of generate(): the state of the program at the point that is being written.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "tests/random/order.h"
#include "tests/random/plan.h"
#include "tests/random/random.h"

namespace random_program {

constexpr size_t kMiB = size_t{1} << 20;
constexpr size_t kWord = 4;
constexpr size_t kServed = 2 * kMiB;  // the library's default threshold, and its granule

class Generator {
 public:
  Generator(uint64_t seed, const Size& size);
  Plan run();

 private:
  struct LiveGraph {
    MakeGraph made;
    int owner = 0;
    int context = 0;
    bool special = false;  // its nodes keep what they were made with
    bool records = false;  // the last node records `record`
    bool waits = false;    // the first node waits for `wait`
    int record = 0, wait = 0;
    std::vector<int> in_reach;  // the library does not look into bodies: it must suppose all these
  };

  // generate.cpp: things and phases
  void add_things(int threads);
  void add_streams(int threads);
  void begin_phase(int threads);
  void choose_turns(int threads, int operations);
  void step();
  void finish();
  void check(const std::vector<int>& buffers);

  // Emits, keeping Order and the working sets up to date.
  void emit(int stream, Work work);
  void submit(int stream, Work work, const std::vector<Access>& touched);
  void submit_memory(int stream, Work work, const Access& whole);
  void order_before(int stream, const std::vector<Access>& touched);
  void order_on_host(const std::vector<Access>& touched);
  void wait_for_context(int context);
  void wait_for_all();
  void account(const std::vector<Access>& touched);
  void fix_on_device();
  size_t rounded(int buffer) const;
  bool has_symbols(int stream) const;  // may be named by a null stream and _ptsz
  bool implicit(int stream) const;     // the stream of synchronous calls

  // Picking: of what this thread may use in this phase.
  int pick_stream();  // of the context of this step
  std::optional<int> pick_own_buffer(bool pitched);
  std::vector<int> own_buffers() const;
  std::vector<int> readable_buffers() const;
  std::optional<int> pick_host();
  int event_covering(int stream);
  // Those without rows, of so many bytes at least.
  void keep_linear(std::vector<int>* buffers, size_t least) const;
  Access part_of(int buffer, size_t unit, bool write);

  // generate_contexts.cpp
  void add_contexts();
  bool lives(int context) const;
  void enter_some_context();
  bool reaches(int context, int buffer) const;  // in kernels, and in copies that name no context
  bool at_hand(int buffer) const;               // in this step
  void peer_access();
  void make_context();
  void drop_context();
  void copy_between_contexts();

  // generate_operations.cpp, generate_memory.cpp and generate_launch.cpp: each a step
  void allocate();
  void initialise(int buffer);
  void release();
  void release(int buffer);
  void set();
  void copy();
  void copy_rows(int buffer);
  void shape_box(Copy* copy, CopyForm form);
  void launch();
  void host_work();
  void write_value();
  void ask();
  void wait();
  void forget(int buffer);

  // generate_hidden.cpp
  bool is_named(int buffer) const;  // by memory or an object that something may still look at
  void hidden_addresses();
  void lose_addresses();
  void add_table();
  std::vector<Access> choose_targets(size_t header);
  void share_among_nodes(std::vector<Access>* nodes);
  void follow(Launch launch, const std::optional<StoreAddresses>& store);
  void wipe_list(int stream, const StoreAddresses& store);

  // generate_stores.cpp
  void choose_storer(StoreAddresses* store) const;
  void follow_kernel(Launch launch, const StoreAddresses& store);
  void follow_in_passing(Launch launch, StoreAddresses store, int reader, Leftover* choices);
  void store_in_order(int writer, int reader, const StoreAddresses& store);
  void press_others(int stream, const StoreAddresses& store);
  int some_stream(Leftover* choices) const;

  // generate_objects.cpp
  void texture();
  void arrays();
  void fill_array(int array);
  Access all_of_array(int array, bool write) const;

  // generate_launch.cpp; sets and copies: generate_operations.cpp
  std::optional<Launch> make_launch();
  std::optional<Launch> make_words_launch(Kernel kernel);
  std::optional<Launch> make_blend();
  std::optional<Launch> make_reduction(Kernel kernel);
  std::optional<Launch> make_dependent(const std::vector<Access>& running);
  void launch_barrier();
  void launch_dependents();
  Set make_set(const Access& target, bool node);
  std::optional<Copy> make_device_copy();
  void submit_copy(int stream, Copy copy);
  void shape_threads(Launch* launch);
  Launch fill_of(int buffer);

  // generate_graph.cpp
  void make_graph();
  void update_graph(int graph);
  void launch_graph(int graph);
  bool may_drop(int graph) const;
  void drop_graph(int graph);
  std::optional<NodeWork> make_node();

  // generate_nodes.cpp
  void add_special_nodes(MakeGraph* graph, LiveGraph* live);
  void close_special_nodes(MakeGraph* graph, LiveGraph* live);
  bool append(MakeGraph* graph, NodeWork work);
  std::optional<NodeWork> make_child();
  std::optional<NodeWork> make_conditional();
  std::optional<NodeWork> make_updatable();
  void add_memory(MakeGraph* graph);
  std::optional<Access> pick_word(bool write);
  void renew(std::vector<Node>* nodes);
  bool may_capture(int stream) const;
  std::set<int> held() const;  // buffers that may not move now

  Random random_;
  Size size_;
  Plan plan_;
  std::optional<Order> order_;

  std::vector<bool> contexts_live_;
  std::set<std::pair<int, int>> peers_;  // from, to: PeerAccess
  std::optional<int> passing_;           // a context made midway that lives
  bool passed_ = false;                  // there has been one
  int here_ = 0;                         // the context of this step
  bool abroad_ = false;                  // it may use memory that belongs to other contexts

  std::vector<int> live_;     // buffers, in allocation order; tables are not among them
  std::map<int, int> owner_;  // of buffers in this phase; -1: everybody reads
  std::map<int, int> host_owner_;
  std::vector<int> stream_owner_;
  std::map<int, LiveGraph> graphs_;
  std::set<int> hidden_;  // buffers whose address is in device memory
  std::set<int> tables_;
  std::optional<StoreAddresses> in_table_, in_global_;  // what they hold
  std::map<int, Access> textures_;                      // what they are over
  bool hides_ = false;                                  // this program does that at all
  bool waits_ = false;                                  // its streams wait for values
  int events_per_thread_ = 6;
  int thread_ = 0;
  bool alone_ = true;  // one thread in this phase
  // Threads may capture while others work. Then nobody may wait for the whole context.
  bool concurrent_capture_ = false;
};

// Whether every two nodes that touch the same bytes, one writing, are ordered by `after`.
bool well_ordered(const std::vector<Node>& nodes);
bool overlap(const Access& a, const Access& b);
bool conflict(const std::vector<Access>& a, const std::vector<Access>& b);

}  // namespace random_program
