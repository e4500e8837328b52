//! Offsets in one block of memory for things that live at different times.

use std::ops::RangeInclusive;

use super::step::ALIGNMENT;

/// Something that needs memory from one group to another.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Bytes.
    pub len: usize,
    /// Groups during which the contents matter.
    pub alive: RangeInclusive<usize>,
}

/// Places the items, largest first, each at the lowest offset free during its life; returns the
/// offsets in the items' order and the length of the whole.
pub fn place(items: &[Item]) -> (Vec<usize>, usize) {
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by_key(|&index| (std::cmp::Reverse(items[index].len), index));
    let mut offsets = vec![0; items.len()];
    let mut placed: Vec<usize> = Vec::new();
    let mut total = 0;
    for &index in &order {
        let item = &items[index];
        let mut busy: Vec<_> = placed
            .iter()
            .filter(|&&other| overlap(&items[other].alive, &item.alive))
            .map(|&other| (offsets[other], offsets[other] + items[other].len))
            .collect();
        busy.sort_unstable();
        let mut offset = 0;
        for (start, end) in busy {
            if offset + item.len <= start {
                break;
            }
            offset = offset.max(end.next_multiple_of(ALIGNMENT));
        }
        offsets[index] = offset;
        total = total.max(offset + item.len);
        placed.push(index);
    }
    (offsets, total)
}

fn overlap(a: &RangeInclusive<usize>, b: &RangeInclusive<usize>) -> bool {
    a.start() <= b.end() && b.start() <= a.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn living_items_never_share_memory_and_dead_ones_do() {
        let item = |len, alive| Item { len, alive };
        let items = [
            item(400, 0..=1),
            item(640, 1..=2),
            item(400, 2..=3),
            item(28, 0..=3),
        ];
        let (offsets, total) = place(&items);
        for a in 0..items.len() {
            for b in 0..a {
                if overlap(&items[a].alive, &items[b].alive) {
                    let apart = offsets[a] + items[a].len <= offsets[b]
                        || offsets[b] + items[b].len <= offsets[a];
                    assert!(apart, "{a} and {b} overlap");
                }
            }
            assert_eq!(offsets[a] % ALIGNMENT, 0);
        }
        assert!(total < 1200, "{total}: the first and third item can share");
    }
}
