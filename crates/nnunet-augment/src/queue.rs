//! Work handed out and taken back in order, a bounded number of pieces ahead.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::batch::BatchAddress;

/// Between several workers and one consumer.
///
/// No foreign code runs while the lock is held, so it cannot be poisoned by one.
#[derive(Debug)]
pub(crate) struct OrderedQueue<T> {
    state: Mutex<State<T>>,
    /// Workers wait here for requests and for room.
    work: Condvar,
    /// The consumer waits here for results.
    results: Condvar,
    closed: AtomicBool,
    capacity: u64,
}

#[derive(Debug)]
struct State<T> {
    /// Ranges of iterations that nobody has taken yet.
    requests: VecDeque<(u64, Range<u64>)>,
    /// Number of the next piece that a worker takes.
    claimed: u64,
    /// Number of the next piece that the consumer gets.
    delivered: u64,
    finished: BTreeMap<u64, T>,
}

impl<T> OrderedQueue<T> {
    /// At most `capacity` pieces are in the making or finished at a time.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            state: Mutex::new(State {
                requests: VecDeque::new(),
                claimed: 0,
                delivered: 0,
                finished: BTreeMap::new(),
            }),
            work: Condvar::new(),
            results: Condvar::new(),
            closed: AtomicBool::new(false),
            capacity: capacity as u64,
        }
    }

    /// Appends the iterations of an epoch.
    pub(crate) fn request(&self, epoch: u64, iterations: Range<u64>) {
        self.lock().requests.push_back((epoch, iterations));
        self.work.notify_all();
    }

    /// Forgets requests that no worker has taken.
    pub(crate) fn forget_requests(&self) {
        self.lock().requests.clear();
    }

    /// Takes the next piece of work, waiting for it; `None` once the queue is closed.
    pub(crate) fn claim(&self) -> Option<(u64, BatchAddress)> {
        let mut state = self.lock();
        loop {
            if self.is_closed() {
                return None;
            }
            if state.claimed < state.delivered + self.capacity
                && let Some(address) = state.next_request()
            {
                state.claimed += 1;
                return Some((state.claimed - 1, address));
            }
            state = wait(&self.work, state);
        }
    }

    /// Hands back a piece.
    pub(crate) fn finish(&self, number: u64, result: T) {
        self.lock().finished.insert(number, result);
        self.results.notify_all();
    }

    /// The next piece in order, waiting for it; `None` if nothing is requested any more.
    pub(crate) fn next(&self) -> Option<T> {
        let mut state = self.lock();
        loop {
            let number = state.delivered;
            if let Some(result) = state.finished.remove(&number) {
                state.delivered += 1;
                self.work.notify_all();
                return Some(result);
            }
            let in_the_making = state.claimed > state.delivered;
            if self.is_closed() || (!in_the_making && !state.has_requests()) {
                return None;
            }
            state = wait(&self.results, state);
        }
    }

    /// Sends everybody home.
    pub(crate) fn close(&self) {
        let state = self.lock();
        self.closed.store(true, Ordering::Release);
        drop(state);
        self.work.notify_all();
        self.results.notify_all();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    fn has_requests(&self) -> bool {
        self.requests.iter().any(|(_, range)| !range.is_empty())
    }

    fn next_request(&mut self) -> Option<BatchAddress> {
        while let Some((epoch, iterations)) = self.requests.front_mut() {
            if let Some(iteration) = iterations.next() {
                return Some(BatchAddress {
                    epoch: *epoch,
                    iteration,
                });
            }
            self.requests.pop_front();
        }
        None
    }
}

fn wait<'a, S>(condition: &Condvar, guard: MutexGuard<'a, S>) -> MutexGuard<'a, S> {
    condition
        .wait(guard)
        .unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_whatever_the_order_of_finishing() {
        let queue = OrderedQueue::new(3);
        queue.request(0, 0..2);
        queue.request(1, 7..8);
        let claims: Vec<_> = (0..3).filter_map(|_| queue.claim()).collect();
        for (number, address) in claims.into_iter().rev() {
            queue.finish(number, (address.epoch, address.iteration));
        }
        let results: Vec<_> = std::iter::from_fn(|| queue.next()).collect();
        assert_eq!(results, [(0, 0), (0, 1), (1, 7)]);
    }

    #[test]
    fn no_more_is_claimed_than_there_is_room_for() {
        let queue = OrderedQueue::new(2);
        queue.request(0, 0..9);
        let taken = std::thread::scope(|scope| {
            let worker = scope.spawn(|| {
                let mut taken = 0;
                while let Some((number, _)) = queue.claim() {
                    taken += 1;
                    queue.finish(number, ());
                }
                taken
            });
            assert!(queue.next().is_some());
            std::thread::sleep(std::time::Duration::from_millis(50));
            queue.close();
            worker.join().unwrap()
        });
        assert_eq!(taken, 3);
    }
}
