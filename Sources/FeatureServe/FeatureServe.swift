// FeatureServe
