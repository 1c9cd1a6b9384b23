"""Virtual outliers in a training loop of one's own: a density, a sampler, a loss, backward."""

import torch

import vos

n, d = 200, 16
generator = torch.Generator().manual_seed(0)
labels = torch.arange(n) % 2
inputs = torch.randn(n, d, generator=generator) + 2.0 * labels[:, None]
encoder, head = torch.nn.Linear(d, d), torch.nn.Linear(d, 2)
optimizer = torch.optim.AdamW([*encoder.parameters(), *head.parameters()], lr=1e-2)
density = vos.ClassConditionalGaussian(n_classes=2, n_features=d)
sampler, regularizer = vos.BoundarySampler(margin=0.0, distance=None), vos.EnergyFlattening(2)

for _ in range(50):
    features = encoder(inputs)
    logits = head(features)
    density.fit(features.detach(), labels)
    outliers = sampler(density, vos.LinearHead.of(head), 32, generator)
    loss = torch.nn.functional.cross_entropy(logits, labels)
    loss = loss + regularizer(logits, features, labels, head(outliers.features), outliers.features)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"loss {loss.item():.3f}")
