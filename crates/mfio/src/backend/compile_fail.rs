//! Programs that must not compile, each beside a near-identical one that does. Only rustdoc reads
//! this file.

/// Use after free through the lifetimes of `acquire_nested`: a stack cannot outlive the inner
/// container,
///
/// ```compile_fail,E0505
/// use mfio::backend::*;
/// let outer = BackendContainer::new_dyn(std::future::pending());
/// let inner = BackendContainer::new_dyn(std::future::pending());
/// let mut stack = outer.acquire_nested(inner.acquire(None));
/// drop(inner);
/// let _ = stack.as_mut();
/// ```
///
/// nor the outer one,
///
/// ```compile_fail,E0505
/// use mfio::backend::*;
/// let outer = BackendContainer::new_dyn(std::future::pending());
/// let inner = BackendContainer::new_dyn(std::future::pending());
/// let mut stack = outer.acquire_nested(inner.acquire(None));
/// drop(outer);
/// let _ = stack.as_mut();
/// ```
///
/// but it may be dropped before both.
///
/// ```
/// use mfio::backend::*;
/// let outer = BackendContainer::new_dyn(std::future::pending());
/// let inner = BackendContainer::new_dyn(std::future::pending());
/// let mut stack = outer.acquire_nested(inner.acquire(None));
/// let _ = stack.as_mut();
/// drop(stack);
/// drop(outer);
/// drop(inner);
/// ```
mod stacks_outlive_nothing {}

/// The same where the stack is returned from a function: the handle's lifetime is not the outer
/// container's alone.
///
/// ```compile_fail,E0515
/// use mfio::backend::*;
/// fn stack(outer: &BackendContainer<DynBackend>) -> BackendHandle<'_, DynBackend> {
///     let inner = BackendContainer::new_dyn(std::future::pending());
///     outer.acquire_nested(inner.acquire(None))
/// }
/// ```
///
/// ```compile_fail,E0621
/// use mfio::backend::*;
/// fn stack<'a>(
///     outer: &'a BackendContainer<DynBackend>,
///     inner: &BackendContainer<DynBackend>,
/// ) -> BackendHandle<'a, DynBackend> {
///     outer.acquire_nested(inner.acquire(None))
/// }
/// ```
///
/// ```
/// use mfio::backend::*;
/// fn stack<'a>(
///     outer: &'a BackendContainer<DynBackend>,
///     inner: &'a BackendContainer<DynBackend>,
/// ) -> BackendHandle<'a, DynBackend> {
///     outer.acquire_nested(inner.acquire(None))
/// }
/// ```
mod stacks_are_not_returned_past_the_inner {}

/// A handle, and a future with a backend, cannot outlive the object.
///
/// ```compile_fail,E0505
/// use mfio::backend::*;
/// fn handle<B: IoBackend>(object: B) {
///     let handle = object.get_backend();
///     drop(object);
///     drop(handle);
/// }
/// ```
///
/// ```compile_fail,E0505
/// use mfio::backend::*;
/// fn future<B: IoBackend>(object: B) {
///     let both = object.with_backend(async {});
///     drop(object);
///     drop(both);
/// }
/// ```
///
/// ```
/// use mfio::backend::*;
/// fn both<B: IoBackend>(object: B) {
///     let handle = object.get_backend();
///     drop(handle);
///     let both = object.with_backend(async {});
///     drop(both);
///     drop(object);
/// }
/// ```
mod handles_do_not_outlive_their_object {}

/// Two handles swapped through `DerefMut`: the backend cannot be moved out of a handle,
///
/// ```compile_fail,E0614
/// use mfio::backend::*;
/// fn swap<'a>(a: &mut BackendHandle<'a, DynBackend>, b: &mut BackendHandle<'a, DynBackend>) {
///     std::mem::swap(&mut **a, &mut **b);
/// }
/// ```
///
/// nor reached through its pin,
///
/// ```compile_fail,E0277
/// use mfio::backend::*;
/// fn swap<'a, B>(a: &mut BackendHandle<'a, B>, b: &mut BackendHandle<'a, B>) {
///     std::mem::swap(a.as_mut().get_mut(), b.as_mut().get_mut());
/// }
/// ```
///
/// unless it may be moved anyway; handles as a whole can be swapped.
///
/// ```
/// use mfio::backend::*;
/// fn contents<'a, B: Unpin>(a: &mut BackendHandle<'a, B>, b: &mut BackendHandle<'a, B>) {
///     std::mem::swap(a.as_mut().get_mut(), b.as_mut().get_mut());
/// }
/// fn handles<'a>(a: &mut BackendHandle<'a, DynBackend>, b: &mut BackendHandle<'a, DynBackend>) {
///     std::mem::swap(a, b);
/// }
/// ```
mod handles_do_not_swap_what_they_hold {}

/// A backend that lives shorter than whoever shares it might keep it: what can be shared owns
/// everything it uses.
///
/// ```compile_fail,E0373
/// use mfio::backend::*;
/// let container = {
///     let text = String::from("short-lived");
///     BackendContainer::new_dyn(async {
///         println!("{text}");
///     })
/// };
/// drop(container);
/// ```
///
/// ```
/// use mfio::backend::*;
/// let container = {
///     let text = String::from("short-lived");
///     BackendContainer::new_dyn(async move {
///         println!("{text}");
///     })
/// };
/// drop(container);
/// ```
mod shared_backends_borrow_nothing {}

/// Variance: a container does not pretend that what it holds lives longer than it does.
///
/// ```compile_fail,E0597
/// use mfio::backend::*;
/// fn put<'a>(container: &BackendContainer<&'a str>, text: &'a str) {
///     *container.acquire(None).as_mut() = text;
/// }
/// fn shorter(container: &BackendContainer<&'static str>) {
///     let text = String::from("short-lived");
///     put(container, &text);
/// }
/// ```
///
/// ```
/// use mfio::backend::*;
/// fn put<'a>(container: &BackendContainer<&'a str>, text: &'a str) {
///     *container.acquire(None).as_mut() = text;
/// }
/// fn longer(container: &BackendContainer<&'static str>) {
///     put(container, "lives long enough");
/// }
/// ```
mod containers_are_invariant {}

/// `Send` and `Sync` as wide as the contents, and no wider: a backend that is not `Send` is neither
/// sent
///
/// ```compile_fail,E0277
/// use mfio::backend::*;
/// use std::rc::Rc;
/// let container = BackendContainer::new(Rc::new(()));
/// std::thread::spawn(move || drop(container));
/// ```
///
/// nor lent to another thread,
///
/// ```compile_fail,E0277
/// use mfio::backend::*;
/// use std::rc::Rc;
/// let container = BackendContainer::new(Rc::new(()));
/// std::thread::scope(|scope| {
///     scope.spawn(|| drop(container.acquire(None)));
/// });
/// ```
///
/// nor nested, where it would go along unnoticed,
///
/// ```compile_fail,E0277
/// use mfio::backend::*;
/// let outer = BackendContainer::new_dyn(std::future::pending());
/// let rc = std::rc::Rc::new(());
/// let inner = BackendContainer::new(std::future::poll_fn(move |_| {
///     let _ = &rc;
///     std::task::Poll::Ready(())
/// }));
/// let stack = outer.acquire_nested(inner.acquire(None));
/// ```
///
/// nor boxed as a `DynBackend`.
///
/// ```compile_fail,E0277
/// use mfio::backend::*;
/// let rc = std::rc::Rc::new(());
/// let container = BackendContainer::new_dyn(std::future::poll_fn(move |_| {
///     let _ = &rc;
///     std::task::Poll::Ready(())
/// }));
/// ```
///
/// One that is `Send` and not `Sync` is all of that.
///
/// ```
/// use mfio::backend::*;
/// use std::cell::Cell;
/// let cell = BackendContainer::new(Cell::new(0));
/// std::thread::scope(|scope| {
///     scope.spawn(|| cell.acquire(None).as_mut().get_mut().set(1));
/// });
/// std::thread::spawn(move || drop(cell)).join().unwrap();
/// let outer = BackendContainer::new_dyn(std::future::pending());
/// let cell = Cell::new(());
/// let inner = BackendContainer::new(std::future::poll_fn(move |_| {
///     let _ = &cell;
///     std::task::Poll::Ready(())
/// }));
/// let stack = outer.acquire_nested(inner.acquire(None));
/// let cell = Cell::new(());
/// let boxed = BackendContainer::new_dyn(std::future::poll_fn(move |_| {
///     let _ = &cell;
///     std::task::Poll::Ready(())
/// }));
/// ```
mod not_send_is_not_sent {}

/// A handle is exclusive: two threads do not use one at a time.
///
/// ```compile_fail,E0277
/// use mfio::backend::*;
/// fn share(handle: BackendHandle<'_, DynBackend>) {
///     std::thread::scope(|scope| {
///         scope.spawn(|| println!("{:?}", &handle));
///     });
/// }
/// ```
///
/// ```
/// use mfio::backend::*;
/// fn send(handle: BackendHandle<'_, DynBackend>) {
///     std::thread::scope(|scope| {
///         scope.spawn(move || println!("{:?}", &handle));
///     });
/// }
/// ```
mod handles_are_not_shared {}

/// The future of an integration with something in it that is not `Send` cannot be spawned: in the
/// user's future,
///
/// ```compile_fail,E0277
/// use mfio::backend::*;
/// fn spawn<T: Send>(_: T) {}
/// fn run<B: IoBackend + Send + Sync + 'static>(object: B) {
///     spawn(Null::run_with(object, |_: &B| std::future::ready(std::rc::Rc::new(()))));
/// }
/// ```
///
/// in the closure,
///
/// ```compile_fail,E0277
/// use mfio::backend::*;
/// fn spawn<T: Send>(_: T) {}
/// fn run<B: IoBackend + Send + Sync + 'static>(object: B) {
///     let rc = std::rc::Rc::new(());
///     spawn(Null::run_with(object, async move |_: &B| drop(rc)));
/// }
/// ```
///
/// or in the object, which is lent to the future.
///
/// ```compile_fail,E0277
/// use mfio::backend::*;
/// fn spawn<T: Send>(_: T) {}
/// fn run<B: IoBackend + Send + 'static>(object: B) {
///     spawn(Null::run_with(object, async |_: &B| ()));
/// }
/// ```
///
/// ```
/// use mfio::backend::*;
/// use std::sync::Arc;
/// fn spawn<T: Send>(_: T) {}
/// fn run<B: IoBackend + Send + Sync + Clone + 'static>(object: B) {
///     spawn(Null::run_with(object.clone(), |_: &B| std::future::ready(Arc::new(()))));
///     let arc = Arc::new(());
///     spawn(Null::run_with(object, async move |_: &B| drop(arc)));
/// }
/// ```
mod only_send_is_spawned {}

/// A result that borrows from an owned link, which is gone by then: the link itself,
///
/// ```compile_fail,E0308
/// use mfio::backend::*;
/// async fn itself<B>(io: &B) -> &B {
///     io
/// }
/// fn leak<B: IoBackend + 'static>(object: B) {
///     let _ = Null::run_with(object, itself::<B>);
/// }
/// ```
///
/// the polling handle,
///
/// ```compile_fail,E0308
/// use mfio::backend::*;
/// async fn handle<B: IoBackend>(io: &B) -> Option<PollingHandle<'_>> {
///     io.polling_handle()
/// }
/// fn leak<B: IoBackend>(object: B) {
///     let _ = Null::run_with(object, handle::<B>);
/// }
/// ```
///
/// or what is put into a place outside.
///
/// ```compile_fail,E0521
/// use mfio::backend::*;
/// fn leak<B: IoBackend>(object: B) {
///     let mut place = None;
///     let _ = Null::run_with(object, |io: &B| {
///         place = Some(io);
///         std::future::ready(())
///     });
/// }
/// ```
///
/// An output that borrows nothing may leave, and so may one that borrows from a borrowed link.
///
/// ```
/// use mfio::backend::*;
/// async fn inside<B: AsRef<str>>(io: &B) -> String {
///     io.as_ref().to_string()
/// }
/// fn no_leak<B: IoBackend + AsRef<str> + Clone>(object: B) {
///     let _ = Null::run_with(object.clone(), inside::<B>);
///     let mut place = None;
///     let _ = Null::run_with(object, |io: &B| {
///         place = Some(io.as_ref().to_string());
///         std::future::ready(())
///     });
/// }
/// fn borrowed<'a, B: IoBackend + AsRef<str>>(object: &'a mut B) -> &'a str {
///     pollster::block_on(Null::run_with_mut(object, |io: &'a B| async move { io.as_ref() }))
/// }
/// ```
mod results_do_not_borrow_from_owned_links {}

/// A borrowed link is borrowed for as long as its future lives.
///
/// ```compile_fail,E0505
/// use mfio::backend::*;
/// fn run<B: IoBackend>(mut object: B) {
///     let future = Null::run_with_mut(&mut object, |_| async {});
///     drop(object);
///     pollster::block_on(future);
/// }
/// ```
///
/// ```
/// use mfio::backend::*;
/// fn run<B: IoBackend>(mut object: B) {
///     let future = Null::run_with_mut(&mut object, |_| async {});
///     pollster::block_on(future);
///     drop(object);
/// }
/// ```
mod borrowed_links_stay {}
