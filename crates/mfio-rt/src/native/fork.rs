//! Detection of forked children.
//!
//! The rings of a runtime are shared memory, its threads do not exist in a forked child, and its
//! locks may have been held at the fork. So the child must not touch them. It is detected by a page
//! that the kernel wipes on fork, which costs one load; asking for the process id would be a system
//! call. Without such a page, the process id is compared.
//!
//! Invariants:
//!
//! 1. The page stays mapped as long as the [`ForkMark`] lives. It is written once, before it is
//!    shared.
#![allow(unsafe_code)]

use std::sync::atomic::{AtomicU32, Ordering};

/// Detects whether this process is a child of the one that created it.
#[derive(Debug)]
pub(crate) struct ForkMark {
    #[cfg(target_os = "linux")]
    page: Option<Page>,
    pid: u32,
}

impl ForkMark {
    /// Marks this process.
    pub(crate) fn new() -> Self {
        Self {
            #[cfg(target_os = "linux")]
            page: Page::new(),
            pid: std::process::id(),
        }
    }

    /// Whether this process is a child of the one that made the mark.
    #[inline]
    pub(crate) fn is_child(&self) -> bool {
        #[cfg(target_os = "linux")]
        if let Some(page) = &self.page {
            return page.mark().load(Ordering::Relaxed) == 0;
        }
        std::process::id() != self.pid
    }
}

/// A page that reads as zero in a child.
#[cfg(target_os = "linux")]
#[derive(Debug)]
struct Page {
    at: std::ptr::NonNull<AtomicU32>,
}

// SAFETY: the page is plain memory, only ever accessed through an atomic.
#[cfg(target_os = "linux")]
unsafe impl Send for Page {}
// SAFETY: as above.
#[cfg(target_os = "linux")]
unsafe impl Sync for Page {}

#[cfg(target_os = "linux")]
impl Page {
    const LEN: usize = 4096;

    fn new() -> Option<Self> {
        let (access, kind) = (
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
        );
        // SAFETY: a fresh mapping, anywhere.
        let at = unsafe { libc::mmap(std::ptr::null_mut(), Self::LEN, access, kind, -1, 0) };
        if at == libc::MAP_FAILED {
            return None;
        }
        let page = Self {
            at: std::ptr::NonNull::new(at.cast())?,
        };
        // SAFETY: the mapping is ours. Kernels before 4.14 refuse the advice.
        if unsafe { libc::madvise(at, Self::LEN, libc::MADV_WIPEONFORK) } != 0 {
            return None;
        }
        page.mark().store(1, Ordering::Relaxed);
        Some(page)
    }

    #[inline]
    fn mark(&self) -> &AtomicU32 {
        // SAFETY: (1); page aligned, zeroed by the kernel, and accessed as an atomic only.
        unsafe { self.at.as_ref() }
    }
}

#[cfg(target_os = "linux")]
impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and has no user any more. A failure leaks one page.
        unsafe { libc::munmap(self.at.as_ptr().cast(), Self::LEN) };
    }
}

#[cfg(test)]
mod tests {
    use super::ForkMark;

    #[test]
    fn the_maker_is_not_a_child() {
        assert!(!ForkMark::new().is_child());
    }

    #[test]
    fn a_child_is_detected_by_the_page_and_by_the_process_id() {
        let by_page = ForkMark::new();
        #[cfg(target_os = "linux")]
        let by_number = ForkMark {
            page: None,
            pid: std::process::id(),
        };
        #[cfg(not(target_os = "linux"))]
        let by_number = ForkMark::new();
        // SAFETY: the child only loads, compares and exits.
        let status = unsafe {
            match libc::fork() {
                0 => libc::_exit(i32::from(!(by_page.is_child() && by_number.is_child()))),
                child => {
                    assert!(child > 0);
                    let mut status = 0;
                    assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
                    status
                }
            }
        };
        assert!(
            libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0,
            "status {status:#x}"
        );
        assert!(!by_page.is_child() && !by_number.is_child());
    }
}
