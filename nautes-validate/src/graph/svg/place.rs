//! Placing things in columns: few crossings, and everything near what it is connected with.

/// How often the columns are gone through.
const SWEEPS: usize = 12;

/// A thing in a column.
pub(super) struct Item {
    /// How high it is.
    pub(super) height: f64,
    /// Its middle.
    pub(super) y: f64,
    /// What it is connected with, in other columns or its own.
    pub(super) near: Vec<usize>,
}

impl Item {
    pub(super) const fn new(height: f64) -> Self {
        Self {
            height,
            y: 0.0,
            near: Vec::new(),
        }
    }

    pub(super) fn top(&self) -> f64 {
        self.y - self.height / 2.0
    }

    pub(super) fn bottom(&self) -> f64 {
        self.y + self.height / 2.0
    }

    fn wish(&self, items: &[Self]) -> f64 {
        if self.near.is_empty() {
            return self.y;
        }
        self.near.iter().map(|n| items[*n].y).sum::<f64>() / self.near.len() as f64
    }
}

/// Orders the members of each column and gives each its height.
pub(super) fn tidy(items: &mut [Item], columns: &mut [Vec<usize>], gap: f64) {
    for column in columns.iter() {
        settle(items, column, gap, |items, i| items[i].y);
    }
    for sweep in 0..SWEEPS {
        for step in 0..columns.len() {
            let at = if sweep % 2 == 0 {
                step
            } else {
                columns.len() - 1 - step
            };
            // In the second half the order stays, and only the heights get better.
            if sweep < SWEEPS / 2 {
                let wishes: Vec<f64> = items.iter().map(|i| i.wish(items)).collect();
                columns[at].sort_by(|a, b| wishes[*a].total_cmp(&wishes[*b]).then(a.cmp(b)));
            }
            settle(items, &columns[at], gap, |items, i| items[i].wish(items));
        }
    }
}

fn settle(items: &mut [Item], column: &[usize], gap: f64, wish: impl Fn(&[Item], usize) -> f64) {
    let wishes: Vec<(f64, f64)> = column
        .iter()
        .map(|i| (wish(items, *i), items[*i].height))
        .collect();
    for (y, i) in stack(&wishes, gap).into_iter().zip(column) {
        items[*i].y = y;
    }
}

/// Places things below each other in the order given, each as near to the height that it wishes as the others
/// allow. Takes wish and height of each and returns their middles.
pub(super) fn stack(wishes: &[(f64, f64)], gap: f64) -> Vec<f64> {
    // How far below the first each must be at least; what is left is to find values that do not fall.
    let mut below = Vec::with_capacity(wishes.len());
    let mut at = 0.0;
    for (i, (_, height)) in wishes.iter().enumerate() {
        if i > 0 {
            at += f64::midpoint(wishes[i - 1].1, *height) + gap;
        }
        below.push(at);
    }
    // Neighbours that wish to pass each other become one block with the mean of their wishes.
    let mut blocks: Vec<(f64, usize)> = Vec::new();
    for ((wish, _), below) in wishes.iter().zip(&below) {
        blocks.push((wish - below, 1));
        while let [.., (a, n), (b, m)] = blocks[..] {
            if a <= b {
                break;
            }
            blocks.truncate(blocks.len() - 2);
            blocks.push(((a * n as f64 + b * m as f64) / (n + m) as f64, n + m));
        }
    }
    let values = blocks
        .iter()
        .flat_map(|(value, n)| std::iter::repeat_n(*value, *n));
    values.zip(below).map(|(value, below)| value + below).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_room_stands_where_it_wishes() {
        assert_eq!(stack(&[(0.0, 10.0), (100.0, 10.0)], 5.0), [0.0, 100.0]);
    }

    #[test]
    fn what_is_too_near_is_moved_apart_evenly_and_keeps_its_order() {
        assert_eq!(stack(&[(10.0, 10.0), (10.0, 10.0)], 10.0), [0.0, 20.0]);
        assert_eq!(stack(&[(50.0, 10.0), (0.0, 10.0)], 0.0), [20.0, 30.0]);
        assert_eq!(stack(&[], 10.0), Vec::<f64>::new());
    }
}
