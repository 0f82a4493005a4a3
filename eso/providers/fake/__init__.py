"""The provider `fake`: values that stand in the store itself."""
