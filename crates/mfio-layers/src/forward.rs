//! Macros for traits that a layer implements by the object below.

/// Implements `IoObject` for a layer over one object, whose properties it has. `help` names a
/// method of the layer that explains failures of the layer itself.
///
/// ```text
/// forward_object!([Io] Layer<Io>, Io, |layer| &layer.inner);
/// ```
///
/// The arguments are those of [`forward_backend!`].
macro_rules! forward_object {
    (
        [$($generics:tt)*] $layer:ty, $below:ty,
        |$this:ident| $object:expr $(, help: $help:ident)? $(,)?
    ) => {
        impl<$($generics)*> mfio::io::IoObject for $layer
        where
            $below: mfio::io::IoObject,
        {
            #[inline]
            fn below(&self) -> Option<&dyn mfio::io::IoObject> {
                let $this = self;
                Some($object)
            }

            $(fn explain(
                &self,
                operation: mfio::io::Operation,
                cause: mfio::error::Cause,
            ) -> Option<&'static str> {
                let $this = self;
                let below = || <$below as mfio::io::IoObject>::explain($object, operation, cause);
                self.$help(cause).or_else(below)
            })?
        }
    };
}

/// Implements `IoBackend` for a layer by the backend of the object below.
///
/// ```text
/// forward_backend!([Io] Layer<Io>, Io, |layer| &layer.inner);
/// ```
///
/// The arguments are the generic parameters in brackets, the layer, the type below, and a closure
/// that returns it.
macro_rules! forward_backend {
    ([$($generics:tt)*] $layer:ty, $below:ty, |$this:ident| $object:expr) => {
        impl<$($generics)*, Handle> mfio::backend::IoBackend<Handle> for $layer
        where
            Handle: mfio::backend::Pollable,
            $below: mfio::backend::IoBackend<Handle>,
        {
            type Backend = <$below as mfio::backend::IoBackend<Handle>>::Backend;

            fn polling_handle(&self) -> Option<mfio::backend::PollingHandle<'_, Handle>> {
                let $this = self;
                <$below as mfio::backend::IoBackend<Handle>>::polling_handle($object)
            }

            fn get_backend(&self) -> mfio::backend::BackendHandle<'_, Self::Backend> {
                let $this = self;
                <$below as mfio::backend::IoBackend<Handle>>::get_backend($object)
            }

            fn shared(
                &self,
            ) -> Option<&mfio::backend::SharedBackend<Self::Backend, Handle>> {
                let $this = self;
                <$below as mfio::backend::IoBackend<Handle>>::shared($object)
            }

            fn wait(
                &self,
                handle: &mfio::backend::PollingHandle<'_, Handle>,
                timeout: Option<core::time::Duration>,
            ) {
                let $this = self;
                <$below as mfio::backend::IoBackend<Handle>>::wait($object, handle, timeout);
            }

            fn next_timeout(&self) -> Option<core::time::Duration> {
                let $this = self;
                <$below as mfio::backend::IoBackend<Handle>>::next_timeout($object)
            }
        }
    };
}

/// Implements `HasLen` for a layer by the length of the object below.
///
/// ```text
/// forward_len!([Io] Layer<Io>, Io, |layer| &layer.inner);
/// ```
///
/// The arguments are those of [`forward_backend!`].
macro_rules! forward_len {
    ([$($generics:tt)*] $layer:ty, $below:ty, |$this:ident| $object:expr) => {
        impl<$($generics)*> mfio::traits::HasLen for $layer
        where
            $below: mfio::traits::HasLen,
        {
            type Len = <$below as mfio::traits::HasLen>::Len;

            fn io_len(&self) -> Self::Len {
                let $this = self;
                <$below as mfio::traits::HasLen>::io_len($object)
            }
        }
    };
}

/// Implements `ControlIo` for a layer by the object below, which answers as it is.
///
/// ```text
/// forward_control!([Io] Layer<Io>, Io, |layer| &layer.inner);
/// ```
///
/// The arguments are those of [`forward_backend!`].
macro_rules! forward_control {
    ([$($generics:tt)*] $layer:ty, $below:ty, |$this:ident| $object:expr) => {
        impl<$($generics)*> mfio::control::ControlIo for $layer
        where
            $below: mfio::control::ControlIo,
        {
            fn send_control(
                &self,
                op: mfio::control::ControlOp,
                view: mfio::packet::View<mfio::io::Read>,
            ) {
                let $this = self;
                <$below as mfio::control::ControlIo>::send_control($object, op, view);
            }

            fn capabilities(&self) -> mfio::control::Capabilities {
                let $this = self;
                <$below as mfio::control::ControlIo>::capabilities($object)
            }

            fn control_blocking(
                &self,
                op: mfio::control::ControlOp,
                answer: &mut mfio::control::Answer<'_>,
            ) -> Option<Result<(), mfio::error::Cause>> {
                let $this = self;
                <$below as mfio::control::ControlIo>::control_blocking($object, op, answer)
            }
        }
    };
}

pub(crate) use {forward_backend, forward_control, forward_len, forward_object};
