"""The farm of one machine: `EmbeddedFarm` -> a broker, a store and workers that live no longer than their owner."""
