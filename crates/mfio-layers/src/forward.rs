//! Macros for methods that a layer forwards to the object below.

/// Writes methods of an `impl PacketIo` that forward to the object in a field of the layer: any of
/// `pool`, `identity`, `explain`, `alignment`, `appends_at`, `locate`, `expose` and
/// `transfer_blocking`.
///
/// ```text
/// impl<D: Direction, P: Position, Io: PacketIo<D, P>> PacketIo<D, P> for Layer<Io> {
///     fn send_io(&self, pos: P, view: View<D>) { … }
///     forward!(PacketIo<D, P> for Io, inner: pool, identity, explain);
/// }
/// ```
macro_rules! forward {
    (@pool $d:ty, $p:ty, $io:ty, $field:ident) => {
        #[inline]
        fn pool(&self) -> Option<&mfio::packet::PacketPool> {
            <$io as mfio::io::PacketIo<$d, $p>>::pool(&self.$field)
        }
    };
    (@identity $d:ty, $p:ty, $io:ty, $field:ident) => {
        fn identity(&self) -> mfio::io::Identity<'_> {
            <$io as mfio::io::PacketIo<$d, $p>>::identity(&self.$field)
        }
    };
    (@explain $d:ty, $p:ty, $io:ty, $field:ident) => {
        fn explain(&self, cause: mfio::error::Cause) -> Option<&'static str> {
            <$io as mfio::io::PacketIo<$d, $p>>::explain(&self.$field, cause)
        }
    };
    (@alignment $d:ty, $p:ty, $io:ty, $field:ident) => {
        fn alignment(&self) -> mfio::io::Alignment {
            <$io as mfio::io::PacketIo<$d, $p>>::alignment(&self.$field)
        }
    };
    (@locate $d:ty, $p:ty, $io:ty, $field:ident) => {
        fn locate(&self, pos: $p) -> mfio::io::Place {
            <$io as mfio::io::PacketIo<$d, $p>>::locate(&self.$field, pos)
        }
    };
    (@appends_at $d:ty, $p:ty, $io:ty, $field:ident) => {
        fn appends_at(&self) -> Option<$p> {
            <$io as mfio::io::PacketIo<$d, $p>>::appends_at(&self.$field)
        }
    };
    (@expose $d:ty, $p:ty, $io:ty, $field:ident) => {
        fn expose(&self, pos: $p, len: usize) -> Option<mfio::io::Exposed> {
            <$io as mfio::io::PacketIo<$d, $p>>::expose(&self.$field, pos, len)
        }
    };
    (@transfer_blocking $d:ty, $p:ty, $io:ty, $field:ident) => {
        #[inline]
        fn transfer_blocking(
            &self,
            pos: $p,
            bytes: <$d as mfio::io::Direction>::Slice<'_>,
        ) -> Option<Result<usize, mfio::error::Cause>> {
            <$io as mfio::io::PacketIo<$d, $p>>::transfer_blocking(&self.$field, pos, bytes)
        }
    };
    (PacketIo<$d:ty, $p:ty> for $io:ty, $field:ident: $($method:ident),+ $(,)?) => {
        $($crate::forward::forward!(@$method $d, $p, $io, $field);)+
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

            fn len_now(&self) -> Option<u64> {
                let $this = self;
                <$below as mfio::traits::HasLen>::len_now($object)
            }
        }
    };
}

pub(crate) use {forward, forward_backend, forward_len};
