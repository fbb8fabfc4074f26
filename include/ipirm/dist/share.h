// The sampler: which rows of a batch, or of a set, are a rank's.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "ipirm/dist/group.h"

namespace ipirm::dist {

// How n rows are shared out: in order, rank 0 first, in sizes that differ by one at most, the
// larger first. Where there are fewer than least * ranks rows, only so many ranks have a share that
// each of these has `least`.
class Shares {
 public:
  Shares(int64_t n, const Group& group, int64_t least = 1);
  // Of a batch of which every rank has `own` rows.
  static Shares of_equal(int64_t own, const Group& group) { return {own * group.size(), group}; }

  // This rank's rows are first()..first()+size()-1 of total().
  int64_t first() const { return first_of(rank_); }
  int64_t size() const { return size_of(rank_); }
  int64_t total() const { return n_; }
  // The most rows that a rank has.
  int64_t largest() const { return size_of(0); }
  int64_t first_of(int64_t rank) const;
  int64_t size_of(int64_t rank) const;
  // This rank's of total() rows, as a view.
  torch::Tensor own(const torch::Tensor& rows) const {
    return size() == n_ ? rows : rows.slice(0, first(), first() + size());
  }

 private:
  int64_t n_, rank_, parts_;
};

// This rank's part of each batch of an order of samples, one after the other: what it loads.
// least: as in Shares.
std::vector<int64_t> own_part(const std::vector<int64_t>& order, int64_t batch_size,
                              const Group& group, int64_t least = 1);

// Throws UserError, with the nearest that is right, unless the ranks' shares of a batch are of one
// size of at least 2 (BatchNorm needs 2).
void check_divides(int64_t batch_size, const Group& group);

}  // namespace ipirm::dist
